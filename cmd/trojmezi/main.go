// Command trojmezi is the whole platform in one binary: the exchange node, its
// command line, the demo and the load generator. See trojmezi --help.
package main

import (
	"os"

	"trojmezi/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
