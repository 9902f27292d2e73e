package kernel

import "sallyport/firewall/kernel/attribute"

// Userdata is a note that userspace leaves at an object for itself: the kernel keeps it and never looks into it. It is a
// list of type, length (8 bits each) and value (libnftnl/udata.h). libnftables writes hints there (byte order and typeof
// of a set's key, whether to merge elements, an open interval) that google/nftables writes differently or not at all; they
// judge no packet and are left out. Comments of rules and elements are kept, because every apply writes those anew.
// Comments of the table, of chains, sets and objects are left out: the kernel cannot change them in place
// (nf_tables_updtable, nf_tables_updchain), so that a foreign one could only be mended by recreating a base chain.
const (
	udataRuleComment    = 0 // NFTNL_UDATA_RULE_COMMENT
	udataElementComment = 0 // NFTNL_UDATA_SET_ELEM_COMMENT
)

// userdataComment is the text of one type in userdata, without its NUL; empty when there is none or the bytes are no
// such list.
func userdataComment(b []byte, kind byte) string {
	for len(b) >= 2 {
		length := int(b[1])
		if 2+length > len(b) {
			return ""
		}
		if b[0] == kind {
			return attribute.Text(b[2 : 2+length])
		}
		b = b[2+length:]
	}
	return ""
}
