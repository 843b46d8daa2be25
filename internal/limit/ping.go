package limit

import "context"

// Ping tells whether the Redis at an address can count. It lets go of it again.
func Ping(ctx context.Context, url string) error {
	r, err := newRedis(url, nil)
	if err != nil {
		return err
	}
	defer r.close() // nothing is left to lose
	return r.probe(ctx)
}
