// Package secret keeps what must not leave lagerd.
//
// It owns the keys that come of lagerd's one master key: one under which the
// shops' integration codes are hashed, so that a stolen database holds no code
// that works, and one under which their grant tokens are encrypted, so that it
// holds no token at all. It makes new master keys and new integration codes. And
// it owns [Text], a string that prints as [redacted] wherever it is printed by
// mistake.
//
// It never stores anything, never reads a file, and never puts a key, a code or a
// token into an error.
//
// Losing the master key means that every shop's grant token and code must be
// entered anew; nothing else depends on it. What is stored under it starts with a
// version, and the keys are named by one, so that both can be replaced later.
package secret
