// Package docs holds the documentation, so that the server can show it at /docs.
package docs

import "embed"

// Pages are the files of this directory that are read in a browser.
//
//go:embed *.md *.svg images/*.webp
var Pages embed.FS
