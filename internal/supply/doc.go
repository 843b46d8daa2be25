// Package supply is about what the program is made of. It has tests only: the licences of what is in the binary, that two builds
// of the same sources are the same bytes, that no secret lies in the tree, that each dependency was weighed, and that no
// regular expression can be made to run away. docs/licenses.md is written by it.
package supply
