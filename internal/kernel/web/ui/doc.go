// Package ui holds the parts pages are built of: symbols, fields, buttons,
// tables, the alarm strip, receipts and what else design calls a component. It
// is for page authors of all modules. It knows no module and no rule of one;
// the caller brings all words that are not the same on every page. Each part is
// complete HTML that works without scripts; classes and their meaning stand at
// the top of static/components.css.
//
// A page is rendered like this, with all texts taken from the module's locales:
//
//	rt.Page("GET /things/{id}", web.MayOn("thing.read", object), show)
//
//	templ page(v view) {
//		@web.Page(web.Shell{Title: v.Title, Section: "things", Styles: []string{"things.css"}}) {
//			@ui.Heading(v.Title, v.Place) {
//				@ui.Link(ui.Button{Text: …, URL: "/things/new", Icon: "add", Kind: ui.Primary, Key: "n"})
//			}
//			@ui.ErrorSummary(v.Errors)
//			<form method="post" class="form" data-draft="/drafts/thing">
//				@ui.Input(ui.Field{Name: "place", Label: …, Hint: …, Value: v.Place, Error: v.Errors.Of("place")})
//				@ui.Actions() {
//					@ui.Submit(ui.Button{Text: …, Kind: ui.Primary, Key: "ctrl+enter"})
//				}
//			</form>
//		}
//	}
//
// The parts:
//
//	Symbol(level) · Level(level, words) · Badge(level, words)   levels "l1" … "l4", "ok", "none", "stale", "drill"
//	LevelWord(ctx, level)                                       the common word of a level
//	Icon(name)                                                  names: sign.Names
//	Heading(title, lead) { actions } · Section(title) { … } · Note(level, text) { … }
//	Input, Textarea, Select (Field) · Radios, Checks (Group) · Check(Field) · Date(Field)
//	Errors: Add, Of · ErrorSummary(Errors)
//	Submit, Link, Post (Button) · Actions() { … }
//	TableOf(Table) { <tr>… } · Filter(url, clear) { fields } · Pages(Paging)
//	Tabs(label, []Tab) · Facts([]Fact) { more } · Empty(title, why) { first action }
//	Confirm(Confirmation) { fields }                            the page in place of a dialog
//	Diff([]Change) · Undo(text, url, until)
//	Strip(id) { StripAlarm(Alarm) { buttons } · StripLine(level, text) { … } }    for web.Shell.Strip
//	Queue(label) { QueueRow(Row) } · Receipts([]Receipt) · Thread(label) { MessageItem(Message) }
//	Age(t) · Moment(t) · Since(t, stale)                             times and ages, all <time>
//	ChartOf(Chart)                                              line and bar charts as SVG with their table
package ui

import "embed"

// Locales holds the texts of this package for i18n.Load.
//
//go:embed locales
var Locales embed.FS
