package main

import (
	"fmt"
	"strings"

	"sallyport/config"
	"sallyport/netcheck"
	"sallyport/tlsprobe/jvm"
	"sallyport/tlsprobe/keystore"
)

// wireJava watches the Java of the service; nil where none is to be judged by. One is for all checks.
func wireJava(conf *config.Config, passwords []string, stores netcheck.JavaStores) *jvm.Watch {
	var service jvm.Service
	if strings.HasPrefix(conf.Trust.Java, "/") {
		service.Java = conf.Trust.Java
	}
	if conf.Trust.Java == config.JavaOff || conf.Service == nil && service.Java == "" {
		return nil
	}
	if s := conf.Service; s != nil {
		service.User, service.Executable, service.JavaHome = s.User, s.Executable, s.JavaHome
	}
	return jvm.NewWatch(service, passwords, stores.Of(service))
}

// storePasswords are those of Java's stores that the configuration names; Java's own default is known without.
func storePasswords(t config.Trust) ([]string, error) {
	if t.PasswordFile == "" {
		return nil, nil
	}
	password, err := keystore.ReadPassword(t.PasswordFile)
	if err != nil {
		return nil, fmt.Errorf("trust.password_file: %w", err)
	}
	return []string{password}, nil
}
