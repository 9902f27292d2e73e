package main

import (
	"context"

	"sallyport/config"
	"sallyport/netcheck"
	"sallyport/tlsprobe"
	"sallyport/tlsprobe/fetch"
	"sallyport/tlsprobe/profile"
)

// maxIssuer is how many bytes of what an authority publishes are read: a certificate, or a few.
const maxIssuer = 64 << 10

// stockFeature is the release of Java that stands for a virtual machine that is not known.
const stockFeature = 17

// wireServer is what checks of every kind that speak TLS share.
func wireServer(name string, c config.Server, roots *tlsprobe.Roots, reaching netcheck.Reaching) netcheck.Server {
	server := netcheck.Server{
		Host: c.Host, Port: c.Port, ServerName: c.ServerName, Roots: roots, Warn: c.Warn, Fail: c.Fail,
		Issuers: c.Issuers, Check: name, Reaching: reaching,
		Source: c.Source, Interface: c.Interface, Agent: "sallyport/" + version,
	}
	for _, pin := range c.Pins {
		server.Pins = append(server.Pins, pin)
	}
	if c.Like == config.LikeJVM {
		like := tlsprobe.NewLike(profile.Stock(stockFeature))
		server.Like = func() *tlsprobe.Like { return like }
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
