package daemon

import (
	"context"
	"time"

	"lagerd/config"
	"lagerd/secret"
)

// reloadKeys reloads the engine with the keys of the key file, if that has changed and they are those
// of the database.
func (d *daemon) reloadKeys(ctx context.Context, next config.Config) error {
	if next.Key.Reveal() == d.config.Load().Key.Reveal() {
		return d.engine.Reload(next)
	}
	keys, err := d.readKeys(ctx, next)
	if err != nil {
		return err
	}
	former, told := &secret.Keys{}, d.told.Load()
	former.Adopt(d.keys)
	d.keys.AdoptBeside(keys) // passes still run
	d.told.Store(keys)
	if err := d.engine.Reload(next); err != nil {
		d.keys.Adopt(former)
		d.told.Store(told)
		return err
	}
	d.keys.Adopt(keys)
	select {
	case d.adopted <- struct{}{}: // a rekeying may have begun since they were read
	default:
	}
	d.log.WithField("keys", len(keys.Checks())).Info("the key file has changed: its master keys are taken up")
	return nil
}

// readKeys reads the keys of a key file that has changed, and the shops' secrets. Within a bound: the
// main loop waits for it, and the watchdog for that.
func (d *daemon) readKeys(ctx context.Context, next config.Config) (*secret.Keys, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*loopEvery)
	defer cancel()
	keys, err := d.Keys(ctx, next, d.store)
	if err != nil {
		return nil, err
	}
	// What a rekeying has sealed anew may not have been read yet.
	return keys, d.index.Refresh(ctx)
}

// followKeys puts the master key in force that is in force in the database. A rekeying begins only
// if all that are alive know both keys, so an error is one of a lagerd that has started just then.
func (d *daemon) followKeys(ctx context.Context) error {
	known, err := d.store.MasterKey(ctx)
	if err != nil {
		return err
	}
	return d.keys.Follow(secret.State(known))
}

// keysEvery is how often the database is asked which master key is in force.
const keysEvery = 5 * time.Second

// keepKeys follows what the database says of its master key until ctx is done, at once after the keys
// of another file were adopted.
func (d *daemon) keepKeys(ctx context.Context) {
	ticker := time.NewTicker(keysEvery)
	defer ticker.Stop()
	following := warner{log: d.log}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-d.adopted:
		}
		following.warn(ctx, d.followKeys(ctx), "this lagerd may not have the database's master key: put all keys that the others have into its key file, and reload it, or restart it where systemd reads the key")
	}
}
