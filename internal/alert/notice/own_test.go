package notice

import (
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"trojmezi/internal/alert/area"
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
	was, ok := atlas.Unit("ORP-5102")
	if !ok || len(was.Members) < 2 {
		t.Fatalf("%+v", was)
	}
	const rows = "country,level,scheme,code,name,cs,de,pl,en,parent,members,lat,lon,valid_from,valid_to,status,names_status,source,outline\n" +
		"CZ,orp,CISORP,5102,Frýdlant,Frýdlant,Friedland,,,NUTS:CZ051,list=CZ-564028,50.922,15.144,,,verified,,letter of the region,\n"
	if _, refused, err := book.ImportByOperator(t.Context(), []byte(rows), "smaller"); err != nil || len(refused) > 0 {
		t.Fatal(refused, err)
	}
	u, ok := atlas.Unit("ORP-5102")
	if !ok || !slices.Equal(u.Members, []string{"CZ-564028"}) || u.Name != "Frýdlant" || len(atlas.Units()) != before {
		t.Errorf("%+v of %d", u, len(atlas.Units()))
	}
	if found, ok := atlas.Find("5102"); !ok || len(atlas.Outline(found)) != 1 {
		t.Errorf("%+v", found)
	}
	if _, err := book.UndoByOperator(t.Context(), area.Key{Scheme: "CISORP", Code: "5102"}, "taken back"); err != nil {
		t.Fatal(err)
	}
	if u, _ := atlas.Unit("ORP-5102"); !slices.Equal(u.Members, was.Members) {
		t.Errorf("%+v", u)
	}
}
