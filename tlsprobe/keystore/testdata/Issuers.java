import java.io.FileInputStream;
import java.io.InputStream;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.X509Certificate;
import java.util.HexFormat;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

/** Prints, for each pair of a store and a password (- for none), the SHA-256 of what Java trusts because of it. */
class Issuers {
    public static void main(String[] args) throws Exception {
        for (int i = 0; i < args.length; i += 2) {
            try {
                for (X509Certificate cert : trusted(args[i], args[i + 1])) {
                    byte[] sum = MessageDigest.getInstance("SHA-256").digest(cert.getEncoded());
                    System.out.println(i / 2 + " " + HexFormat.of().formatHex(sum));
                }
            } catch (Exception e) {
                System.out.println(i / 2 + " refused");
            }
        }
    }

    static X509Certificate[] trusted(String path, String password) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12"); // takes JKS too: keystore.type.compat
        try (InputStream in = new FileInputStream(path)) {
            store.load(in, password.equals("-") ? null : password.toCharArray());
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        for (TrustManager manager : factory.getTrustManagers()) {
            return ((X509TrustManager) manager).getAcceptedIssuers();
        }
        throw new IllegalStateException("no trust manager");
    }
}
