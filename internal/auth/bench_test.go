package auth

import "testing"

// BenchmarkSignAccess is a new access token; most of it is the signature.
func BenchmarkSignAccess(b *testing.B) {
	s := setup(b)
	b.ReportAllocs()
	for b.Loop() {
		s.access(b)
	}
}

// BenchmarkVerifyAccess is a token that is seen for the first time, and one that comes again, as most do.
func BenchmarkVerifyAccess(b *testing.B) {
	s := setup(b)
	token := s.access(b)
	for name, first := range map[string]bool{"first": true, "again": false} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if first {
					s.seen.Purge()
				}
				if _, err := s.parseAccess(token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkJunk is what is refused without a query: the bars are far below the price of one.
func BenchmarkJunk(b *testing.B) {
	s := setup(b)
	token, refresh := s.access(b), s.refreshToken(session, 5)
	forged := token[:len(token)-2] + "AA"
	b.Run("access", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.parseAccess(forged); err == nil {
				b.Fatal("a forged token holds")
			}
		}
	})
	b.Run("refresh", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, ok := s.parseRefresh(refresh[:len(refresh)-2] + "__"); ok {
				b.Fatal("a forged token holds")
			}
		}
	})
}

// BenchmarkRefreshToken is a refresh token read, which builds it, and its successor.
func BenchmarkRefreshToken(b *testing.B) {
	s := setup(b)
	token := s.refreshToken(session, 5)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := s.parseRefresh(token); !ok {
			b.Fatal("the token does not hold")
		}
		s.refreshToken(session, 6)
	}
}
