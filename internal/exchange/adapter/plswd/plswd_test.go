package plswd

import (
	"testing"

	"trojmezi/internal/exchange/adapter/adaptertest"
)

func TestAdapter(t *testing.T) { adaptertest.Run(t, New(), "testdata") }

func FuzzAdapter(f *testing.F) { adaptertest.Fuzz(f, New(), "testdata") }
