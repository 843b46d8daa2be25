// Package chaos holds tests of real processes: a server, workers and fake providers under load, killed at each step of a run or
// replaced one after the other, and everything compared with what the providers know afterwards. `make chaos` plays the long
// version and writes bench/CHAOS.md.
package chaos
