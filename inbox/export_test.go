package inbox

// Hints returns all of them.
func (o *Open) Hints() Hints { return o.Of(o.Numbers()) }
