import java.net.URL;
import java.util.Hashtable;
import java.util.logging.FileHandler;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;
import javax.naming.Context;
import javax.naming.directory.InitialDirContext;

/** Speaks to servers as a sync tool does, and logs each failure with its stack trace. Arguments: a log, then URLs. */
class Sync {
    public static void main(String[] args) throws Exception {
        Logger log = Logger.getLogger("sync");
        log.setUseParentHandlers(false);
        FileHandler file = new FileHandler(args[0], true);
        file.setFormatter(new SimpleFormatter());
        log.addHandler(file);
        for (int i = 1; i < args.length; i++) {
            try {
                speak(args[i]);
                log.info("synchronised");
            } catch (Exception e) {
                log.log(Level.SEVERE, "synchronisation failed", e);
            }
        }
        file.close();
    }

    static void speak(String url) throws Exception {
        if (!url.startsWith("ldap")) {
            new URL(url).openConnection().getInputStream().close();
            return;
        }
        Hashtable<String, String> settings = new Hashtable<>();
        settings.put(Context.INITIAL_CONTEXT_FACTORY, "com.sun.jndi.ldap.LdapCtxFactory");
        settings.put(Context.PROVIDER_URL, url);
        settings.put(Context.SECURITY_PRINCIPAL, "cn=uds");
        settings.put(Context.SECURITY_CREDENTIALS, "hunter2");
        new InitialDirContext(settings).close();
    }
}
