// Package config turns a YAML file into validated values, or into every error of the file at once, each with its place,
// the source line and the mend. It holds what the file says, not what is done about it: it knows no check, no ruleset
// and no other package of Sallyport.
package config
