package netcheck

import (
	"strings"

	"sallyport/tlsprobe/jvm"
)

// forbidsBasic is where the service's Java is forbidden to authenticate to a proxy by Basic; empty where it is not.
func (v *javaView) forbidsBasic() string {
	if v == nil || v.trust == nil {
		return ""
	}
	return v.trust.Way.BasicDisabled
}

// goes says on which other way the service goes, after what else is said of a check; empty for the same.
func (v *javaView) goes() string {
	if v == nil || v.way == "" {
		return ""
	}
	return "; " + v.way
}

// otherWay says that the service's Java goes to a host by HTTPS on another way than the check; empty where it does not, and
// where that is not known.
func otherWay(java jvm.Way, ours *Proxy, host string) string {
	theirs := java.To(host)
	switch {
	case ours == nil && theirs == "":
		return ""
	case ours == nil:
		return throughProxy(theirs) + ", and this check does not"
	case strings.EqualFold(theirs, ours.String()):
		return ""
	case theirs != "":
		return throughProxy(theirs) + ", and this check through " + ours.String()
	case java.Proxy != "":
		return "for HTTPS, the service's Java goes there without a proxy (" + jvm.PropertyNotProxied + "), and this check " +
			"through " + ours.String()
	case java.Seen:
		return "the service's Java was started without a proxy for HTTPS, as far as its flags tell, and this check goes " +
			"through " + ours.String()
	}
	return ""
}

func throughProxy(proxy string) string {
	return "for HTTPS, the service's Java goes through the proxy " + cleanText(proxy, maxTextKept) + " (" +
		jvm.PropertyProxyHost + ")"
}
