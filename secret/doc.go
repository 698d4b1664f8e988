// Package secret handles keys, tokens and codes that must not leave lagerd.
//
// It derives keys from lagerd's master key: one to hash the shops' integration codes, so
// that a stolen database holds no working code, one to encrypt their grant tokens and
// keys, so that it holds none of these either, and one to sign. It generates master
// keys and integration codes. And it has [Text], a string that prints as [redacted]
// if it is printed by mistake, and [Hidden], which finds secrets in text from outside.
//
// It never stores anything, never reads a file, and never puts a key, a code or a
// token into an error.
//
// A key file may hold several master keys while one takes the place of another: all of
// them open and verify, the one in force seals and signs, and the database says which
// that is ([Keys.Follow]). What only a hash is stored of cannot be hashed anew, so the
// keys of these hashes are kept: the database stores them, sealed with the master key.
//
// If the master key is lost, every shop's grant token and code must be entered
// again; nothing else depends on it. Data encrypted with it starts with a version,
// and the derived keys' names contain one, so that both can be replaced later.
package secret
