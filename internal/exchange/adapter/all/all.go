// Package all lists the adapters that are shipped: whoever connects one more system
// adds it here.
package all

import (
	"trojmezi/internal/exchange/adapter"
	"trojmezi/internal/exchange/adapter/czizs"
	"trojmezi/internal/exchange/adapter/euemsi"
	"trojmezi/internal/exchange/adapter/plswd"
	"trojmezi/internal/format/tree"
)

// Adapters gives them, each with a System of its own.
func Adapters() []*adapter.Adapter {
	return []*adapter.Adapter{czizs.New(), plswd.New(), euemsi.New(tree.XML), euemsi.New(tree.JSON)}
}
