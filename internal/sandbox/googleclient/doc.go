// Package googleclient proves the sandbox against Google's own Go clients: what they cannot read, Google would not have said.
// It holds tests alone.
package googleclient
