package euemsi

import (
	"testing"

	"trojmezi/internal/exchange/adapter/adaptertest"
	"trojmezi/internal/format/tree"
)

func TestXML(t *testing.T)  { adaptertest.Run(t, New(tree.XML), "testdata/xml") }
func TestJSON(t *testing.T) { adaptertest.Run(t, New(tree.JSON), "testdata/json") }

func FuzzXML(f *testing.F)  { adaptertest.Fuzz(f, New(tree.XML), "testdata/xml") }
func FuzzJSON(f *testing.F) { adaptertest.Fuzz(f, New(tree.JSON), "testdata/json") }
