// Package attribute reads and writes netlink attributes: one level of type, length and payload (struct nlattr). What a type
// means, and whether a payload is a level of its own, its callers know. It must know no family of netlink, and it never
// panics, whatever the bytes.
package attribute
