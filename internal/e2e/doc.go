// Package e2e holds tests that play the auth half whole: services, server, limits, jobs and mail on real databases, over real HTTP.
package e2e
