import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.Hashtable;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.naming.Context;
import javax.naming.ldap.InitialLdapContext;
import javax.naming.ldap.StartTlsRequest;
import javax.naming.ldap.StartTlsResponse;

/**
 * Binds to directories as a Java service does: by JNDI, with its own factory of sockets and the trust store of the flags. It
 * says ready, and answers when its input has ended. Each line of that is: label, URL, starttls or nothing, user, password;
 * each of its output: label, and ok or the messages of the exception and its causes.
 */
class Directory {
    public static void main(String[] args) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(8);
        List<Future<String>> answers = new ArrayList<>();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        System.out.println("ready");
        for (String line; (line = in.readLine()) != null; ) {
            String[] f = line.split("\t");
            answers.add(pool.submit(() -> f[0] + "\t" + bind(f[1], f[2].equals("starttls"), f[3], f[4])));
        }
        for (Future<String> answer : answers) {
            System.out.println(answer.get());
        }
        pool.shutdown();
    }

    static String bind(String url, boolean startTls, String user, String password) {
        Hashtable<String, String> settings = new Hashtable<>();
        settings.put(Context.INITIAL_CONTEXT_FACTORY, "com.sun.jndi.ldap.LdapCtxFactory");
        settings.put(Context.PROVIDER_URL, url);
        settings.put("com.sun.jndi.ldap.connect.timeout", "3000");
        settings.put("com.sun.jndi.ldap.read.timeout", "3000");
        if (!startTls) {
            settings.put(Context.SECURITY_AUTHENTICATION, "simple");
            settings.put(Context.SECURITY_PRINCIPAL, user);
            settings.put(Context.SECURITY_CREDENTIALS, password);
        }
        try {
            InitialLdapContext context = new InitialLdapContext(settings, null);
            if (startTls) {
                ((StartTlsResponse) context.extendedOperation(new StartTlsRequest())).negotiate();
                context.addToEnvironment(Context.SECURITY_AUTHENTICATION, "simple");
                context.addToEnvironment(Context.SECURITY_PRINCIPAL, user);
                context.addToEnvironment(Context.SECURITY_CREDENTIALS, password);
                context.reconnect(null);
            }
            context.getAttributes("");
            context.close();
            return "ok";
        } catch (Throwable e) {
            return words(e);
        }
    }

    static String words(Throwable e) {
        StringBuilder all = new StringBuilder();
        for (; e != null; e = e.getCause()) {
            all.append(e).append(" | ");
        }
        return all.toString().replaceAll("[\t\r\n]", " ");
    }
}
