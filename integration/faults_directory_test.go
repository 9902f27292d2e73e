package integration_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sallyport/integration/lab"
)

// startDirectory starts a slapd whose overlay retcode answers as Active Directory does, and as directories in trouble do,
// with LDAPS and without.
func (r *faultRig) startDirectory() {
	r.t.Helper()
	dir := r.newFolder("slapd-faults")
	chain, key := r.pair("slapd-faults", lab.DirectoryName, lab.Sound)
	written, err := os.ReadFile("../netcheck/testdata/ldap/slapd.conf")
	if err != nil {
		r.t.Fatal(err)
	}
	conf := filepath.Join(dir, "slapd.conf")
	r.put(conf, strings.NewReplacer("GLOBAL", "", "DIR", dir, "AUTHORITY", r.RootsFile(), "CERTIFICATE", chain,
		"SECRET", key).Replace(string(written)))
	data := faultyData()
	for dc := range data {
		if err := os.Mkdir(filepath.Join(dir, dc), 0o700); err != nil {
			r.t.Fatal(err)
		}
	}
	for dc, ldif := range data {
		file := filepath.Join(dir, dc+".ldif")
		r.put(file, ldif)
		r.command(r.Directory, "slapadd -q", "-f", conf, "-b", "dc="+dc, "-l", file)
	}
	r.program(r.Directory, "slapd", "-d", "0", "-f", conf, "-h",
		fmt.Sprintf("ldaps://%[1]s:%[2]d/ ldap://%[1]s:%[3]d/", r.Directory.IPv4, faultySlapd, plainSlapd))
}

// faultyData is what each database of that slapd holds.
func faultyData() map[string]string {
	domain := func(dc string) string {
		return fmt.Sprintf("dn: dc=%[1]s\nobjectClass: dcObject\nobjectClass: organization\no: %[1]s\n\n", dc)
	}
	person := func(cn, below string) string {
		return fmt.Sprintf("dn: cn=%[1]s,%[2]s\nobjectClass: person\nsn: %[1]s\nuserPassword: pw\n\n", cn, below)
	}
	tree := domain("test")
	for _, ou := range []string{"people", "closed"} {
		tree += fmt.Sprintf("dn: ou=%[1]s,dc=test\nobjectClass: organizationalUnit\nou: %[1]s\n\n", ou)
	}
	for _, cn := range []string{"reader", "short", "nopages", "wrong"} {
		tree += person(cn, "dc=test")
	}
	for i := range 20 {
		tree += person(fmt.Sprintf("user%02d", i), "ou=people,dc=test")
	}
	return map[string]string{"test": tree, "strong": domain("strong"), "codes": domain("codes")}
}
