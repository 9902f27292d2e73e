// Package config turns a YAML file into validated values, or into every error of the file at once, each with its place,
// the source line and the mend. It holds what the file says, not what is done about it: it knows no check, no ruleset
// and no other package of Sallyport.
//
// Each value of the file has one form, which both reads it and describes it: the decoder, the JSON Schema and the
// shipped example come from the same definitions. go test ./config -update writes the example (deploy/sallyport.yaml),
// the schema and the golden messages anew.
package config
