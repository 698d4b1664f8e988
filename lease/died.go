package lease

import "lagerd/store"

// died reports whether another instance has died for certain, so that nobody need wait for its ttl.
// If it has not, why says what is missing for it to be certain. An instance has an identity only
// while it holds the lock of its state directory.
//
//	own identity   the other's   machine   boot         died
//	none           any                                  not certain
//	x              none                                 not certain
//	x              y                                    not certain
//	x              x             another or unknown     not certain: one of them has a copy
//	x              x             same      another      not certain: machines are copied too
//	x              x             same      same         yes: it held the lock that we hold
func died(own, other store.Instance) (so bool, why string) {
	switch {
	case own.Instance == other.Instance:
		return false, "it is this one"
	case own.Identity == "":
		return false, "this lagerd holds no state directory of its own"
	case other.Identity == "":
		return false, "it held no state directory"
	case own.Identity != other.Identity:
		return false, "it has another state directory"
	case own.Machine == "" || own.Machine != other.Machine:
		return false, "it ran on another machine"
	case own.Boot == "" || own.Boot != other.Boot:
		return false, "its machine has been started anew since"
	}
	return true, ""
}
