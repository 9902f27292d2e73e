import java.util.List;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;

/** Shakes hands with a port of this host, as a service would, and ends well whatever comes of it. */
public class Hello {
    public static void main(String[] args) throws Exception {
        var factory = SSLContext.getDefault().getSocketFactory();
        try (var socket = (SSLSocket) factory.createSocket("127.0.0.1", Integer.parseInt(args[0]))) {
            var parameters = socket.getSSLParameters();
            System.out.println(String.join(" ", parameters.getProtocols()));
            parameters.setServerNames(List.of(new SNIHostName("host.test")));
            socket.setSSLParameters(parameters);
            socket.startHandshake();
        } catch (java.io.IOException expected) {
            return;
        }
    }
}
