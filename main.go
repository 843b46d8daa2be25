// TurKey: users, their third-party credentials, and the pipeline that uses them. The second name is gravy.
package main

import (
	"os"

	"turkey/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
}
