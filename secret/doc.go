// Package secret handles keys, tokens and codes that must not leave lagerd.
//
// It derives keys from lagerd's single master key: one to hash the shops'
// integration codes, so that a stolen database holds no working code, and one to
// encrypt their grant tokens and keys, so that it holds none of these either. It generates master
// keys and integration codes. And it has [Text], a string that prints as [redacted]
// if it is printed by mistake, and [Hidden], which finds secrets in text from outside.
//
// It never stores anything, never reads a file, and never puts a key, a code or a
// token into an error.
//
// If the master key is lost, every shop's grant token and code must be entered
// again; nothing else depends on it. Data encrypted with it starts with a version,
// and the derived keys' names contain one, so that both can be replaced later.
package secret
