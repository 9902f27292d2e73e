package main

import (
	"context"
	"time"

	"sallyport/config"
	"sallyport/netcheck"
	"sallyport/tlsprobe"
	"sallyport/tlsprobe/fetch"
	"sallyport/tlsprobe/jvm"
	"sallyport/tlsprobe/profile"
)

// maxIssuer is how many bytes of what an authority publishes are read: a certificate, or a few.
const maxIssuer = 64 << 10

// stockFeature is the release of Java that stands for a virtual machine that is not known.
const stockFeature = 17

// wireServer is what checks of every kind that speak TLS share.
func wireServer(
	name string, c config.Server, roots *tlsprobe.Roots, java *jvm.Watch, reaching netcheck.Reaching,
) netcheck.Server {
	server := netcheck.Server{
		Host: c.Host, Port: c.Port, ServerName: c.ServerName, Roots: roots, Warn: c.Warn, Fail: c.Fail,
		Issuers: c.Issuers, Check: name, Reaching: reaching,
		Source: c.Source, Interface: c.Interface, Agent: "sallyport/" + version,
	}
	for _, pin := range c.Pins {
		server.Pins = append(server.Pins, pin)
	}
	if c.Like == config.LikeJVM {
		server.Java, server.Like = java, wireLike(java)
	}
	if own := c.ClientCertificate; own != nil {
		server.ClientCertificate = netcheck.ClientCertificate{CertificateFile: own.CertificateFile, KeyFile: own.KeyFile}
	}
	if c.AIA {
		server.FetchIssuer = fetchIssuer
	}
	return server
}

func fetchIssuer(ctx context.Context, address string) ([]byte, error) {
	return fetch.Get(ctx, address, maxIssuer)
}

// wireLike is the handshake of the service's Java, as it is at the time; that of a stock one where it cannot be told.
func wireLike(java *jvm.Watch) func() *tlsprobe.Like {
	stock := tlsprobe.NewLike(profile.Stock(stockFeature))
	return func() *tlsprobe.Like {
		if java != nil {
			if trust, err := java.Trust(time.Now()); err == nil {
				return trust.Like()
			}
		}
		return stock
	}
}
