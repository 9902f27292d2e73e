package lab

import (
	"fmt"
	"strings"
)

// The directory's tree and the user that Sallyport binds as.
const (
	BaseDN   = "DC=corp,DC=example"
	StaffDN  = "OU=Staff," + BaseDN
	BindDN   = "CN=uds,OU=Service," + BaseDN
	Password = "correct horse battery staple" // of a directory that lives for seconds
	Staff    = 320                            // entries below StaffDN
)

// entry is one entry of the directory.
type entry struct {
	dn         string
	attributes []attribute
}

type attribute struct {
	name   string
	values []string
}

func (e entry) values(name string) []string {
	for _, a := range e.attributes {
		if strings.EqualFold(a.name, name) {
			return a.values
		}
	}
	return nil
}

// people is the whole directory, parents before children.
func people() []entry {
	entries := []entry{
		{BaseDN, []attribute{
			{"objectClass", []string{"dcObject", "organization"}}, {"dc", []string{"corp"}}, {"o", []string{"Corp"}},
		}},
		unit("Staff"),
		unit("Service"),
		{BindDN, append(person("uds", "Sync"), attribute{"userPassword", []string{Password}})},
	}
	given := []string{"Ada", "Björn", "Chloé", "Dmitri", "Emeka", "Fatima", "Grace", "Hana"}
	family := []string{"Abe", "Baker", "Cohen", "Diaz", "Eriksson", "Fujita", "García", "Hughes"}
	for i := range Staff {
		sn := family[i/len(given)%len(family)]
		cn := fmt.Sprintf("%s %s %03d", given[i%len(given)], sn, i)
		mail := attribute{"mail", []string{fmt.Sprintf("u%03d@corp.example", i)}}
		entries = append(entries, entry{"CN=" + cn + "," + StaffDN, append(person(cn, sn), mail)})
	}
	return entries
}

func unit(name string) entry {
	return entry{"OU=" + name + "," + BaseDN, []attribute{
		{"objectClass", []string{"organizationalUnit"}}, {"ou", []string{name}},
	}}
}

func person(cn, sn string) []attribute {
	return []attribute{
		{"objectClass", []string{"person", "organizationalPerson", "inetOrgPerson"}},
		{"cn", []string{cn}}, {"sn", []string{sn}},
	}
}
