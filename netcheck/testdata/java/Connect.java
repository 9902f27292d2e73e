import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/**
 * Connects as a Java service does, by the default trust manager over a store that is opened without a password, with
 * names compared as for HTTPS. Each line of its input is: label, server name, port, store; each of its output: label, and
 * ok or the messages of the exception and its causes.
 */
class Connect {
    public static void main(String[] args) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(8);
        List<Future<String>> answers = new ArrayList<>();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null; ) {
            String[] f = line.split("\t");
            answers.add(pool.submit(() -> f[0] + "\t" + connect(f[1], Integer.parseInt(f[2]), f[3])));
        }
        for (Future<String> answer : answers) {
            System.out.println(answer.get());
        }
        pool.shutdown();
    }

    static String connect(String name, int port, String path) {
        try (Socket plain = new Socket()) {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, trusting(path).getTrustManagers(), null);
            plain.connect(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), port), 2000);
            plain.setSoTimeout(1000);
            try (SSLSocket tls = (SSLSocket) context.getSocketFactory().createSocket(plain, name, port, true)) {
                SSLParameters parameters = tls.getSSLParameters();
                parameters.setEndpointIdentificationAlgorithm("HTTPS");
                tls.setSSLParameters(parameters);
                tls.startHandshake();
                return refusedAfterwards(tls);
            }
        } catch (Throwable e) {
            return words(e);
        }
    }

    /** A TLS 1.3 server asks for a client certificate, and refuses one that has none, after the handshake. */
    static String refusedAfterwards(SSLSocket tls) throws Exception {
        tls.setSoTimeout(300);
        try {
            tls.getInputStream().read();
        } catch (SocketTimeoutException e) {
            // the server waits for a request: all is well
        }
        return "ok";
    }

    static TrustManagerFactory trusting(String path) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        try (InputStream in = new FileInputStream(path)) {
            store.load(in, null);
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        return factory;
    }

    static String words(Throwable e) {
        StringBuilder all = new StringBuilder();
        for (; e != null; e = e.getCause()) {
            all.append(e).append(" | ");
        }
        return all.toString().replaceAll("[\t\r\n]", " ");
    }
}
