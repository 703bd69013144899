package notice

import (
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"trojmezi/internal/alert/area"
	"trojmezi/internal/format/cap"
	"trojmezi/internal/kernel/audit"
	"trojmezi/internal/kernel/clock"
	"trojmezi/internal/kernel/register"
	"trojmezi/internal/kernel/seal"
	"trojmezi/internal/kernel/store/storetest"
)

// TestOwnDistrict: a district that the operator writes is offered, found and has its
// members as soon as the node knows it, and is gone when it is undone.
func TestOwnDistrict(t *testing.T) {
	db := storetest.Open(t, storetest.Tables{"seal": seal.Migrations(), "audit": audit.Migrations(), "area": area.Migrations()})
	key, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	places, err := register.Load()
	if err != nil {
		t.Fatal(err)
	}
	clk, log := clock.Fake(time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)), slog.New(slog.NewTextHandler(io.Discard, nil))
	book, err := area.Open(t.Context(), area.Options{DB: db, Places: places, Audit: audit.New(db, key, clk, log), Clock: clk, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	atlas := NewAtlas(places, book.Table)
	before := len(atlas.Units())
	const id = "WARNCELL-914626002"
	if u, ok := atlas.Unit(id); ok {
		t.Fatalf("nobody has said what it holds: %+v", u)
	}
	const rows = "country,level,scheme,code,name,cs,de,pl,en,parent,members,lat,lon,valid_from,valid_to,status,names_status,source,outline\n" +
		"DE,kreispart,WARNCELLID,914626002,Görlitz (Bergland),,Görlitz (Bergland),,,AGS:14626,list=DE-14626110,51.15,14.97,,,verified,verified,letter of the Kreis,\n"
	if _, refused, err := book.ImportByOperator(t.Context(), []byte(rows), "it is known now"); err != nil || len(refused) > 0 {
		t.Fatal(refused, err)
	}
	u, ok := atlas.Unit(id)
	if !ok || !slices.Equal(u.Members, []string{"DE-14626110"}) || u.Name != "Görlitz (Bergland)" || len(atlas.Units()) != before+1 {
		t.Errorf("%+v of %d", u, len(atlas.Units()))
	}
	if found, ok := atlas.Find("914626002"); !ok || len(atlas.Outline(found)) != 1 || !slices.Contains(atlas.Codes(found, clk.Now()), cap.Pair{Name: "WARNCELLID", Value: "914626002"}) {
		t.Errorf("%+v", found)
	}
	if _, err := book.UndoByOperator(t.Context(), area.Key{Scheme: "WARNCELLID", Code: "914626002"}, "taken back"); err != nil {
		t.Fatal(err)
	}
	if u, ok := atlas.Unit(id); ok || len(atlas.Units()) != before {
		t.Errorf("%+v", u)
	}
}
