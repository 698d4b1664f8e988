package sim

// Clock is clock.
var Clock = clock
