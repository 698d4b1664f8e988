package schedule

// turn is a lock that is held across I/O. Unlike a sync.Mutex it can be waited
// for in a simulation, where nothing but channels and timers lets time pass.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) take() { t <- struct{}{} }

func (t turn) give() { <-t }
