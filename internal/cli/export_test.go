package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Tree is all commands, as they stand under `gravy`.
func Tree() *cobra.Command {
	return (&program{in: strings.NewReader(""), out: io.Discard, err: io.Discard}).root("gravy")
}
