// Package e2e holds tests that play the server whole: services, limits, jobs and mail on real databases, over real HTTP.
package e2e
