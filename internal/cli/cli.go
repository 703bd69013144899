package cli

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"trojmezi/internal/app"
	"trojmezi/internal/bench"
	"trojmezi/internal/demo"
	"trojmezi/internal/kernel/i18n"
	"trojmezi/internal/kernel/problem"
	"trojmezi/internal/kernel/register/fact"
	"trojmezi/internal/manual/book"
	"trojmezi/internal/manual/content"
	"trojmezi/internal/training/scenario"
)

//go:embed locales/*.json
var locales embed.FS

// Exit codes: 0 done, 1 the work failed, 2 the command line or the
// configuration is wrong.
const (
	exitFailed = 1
	exitUsage  = 2
)

// commands is the whole command line; the helps are translation keys.
type commands struct {
	Lang     []string `enum:"cs,de,pl,en" env:"TROJMEZI_LANG" help:"cli.lang"` // several where something is made in each
	JSON     bool     `name:"json" help:"cli.json"`
	LogLevel string   `enum:"debug,info,warn,error" default:"info" env:"TROJMEZI_LOG" help:"cli.log"`

	Serve     serveCmd     `cmd:"" help:"cli.serve"`
	Demo      demoCmd      `cmd:"" help:"cli.demo"`
	Exchange  exchangeCmd  `cmd:"" help:"cli.exchange"`
	Bench     benchCmd     `cmd:"" help:"cli.bench"`
	People    peopleCmd    `cmd:"" help:"cli.people"`
	Gateway   gatewayCmd   `cmd:"" help:"cli.gateway"`
	Geo       geoCmd       `cmd:"" help:"cli.geo"`
	Unit      unitCmd      `cmd:"" help:"cli.unit"`
	Board     boardCmd     `cmd:"" help:"cli.board"`
	Notice    noticeCmd    `cmd:"" help:"cli.notice"`
	Outlet    outletCmd    `cmd:"" help:"cli.outlet"`
	Channel   channelCmd   `cmd:"" help:"cli.channel"`
	Agreement agreementCmd `cmd:"" help:"cli.agreement"`
	Convert   convertCmd   `cmd:"" help:"cli.convert"`

	Disclosure disclosureCmd `cmd:"" help:"cli.disclosure"`

	Classification classificationCmd `cmd:"" help:"cli.classification"`
	Validate       validateCmd       `cmd:"" help:"cli.validate"`
	Alert          alertCmd          `cmd:"" help:"cli.alert"`
	Area           areaCmd           `cmd:"" help:"cli.area"`
	Gauge          gaugeCmd          `cmd:"" help:"cli.gauge"`
	Feed           feedCmd           `cmd:"" help:"cli.feed"`
	Simulate       simulateCmd       `cmd:"" help:"cli.simulate"`
	Replay         replayCmd         `cmd:"" help:"cli.replay"`
	Manual         manualCmd         `cmd:"" help:"cli.manual"`
	Training       trainingCmd       `cmd:"" help:"cli.training"`
	Law            lawCmd            `cmd:"" help:"cli.law"`
	Phrase         phraseCmd         `cmd:"" help:"cli.phrase"`
	Audit          auditCmd          `cmd:"" help:"cli.audit"`
	DB             dbCmd             `cmd:"" name:"db" help:"cli.db"`
	Job            jobCmd            `cmd:"" help:"cli.job"`
	Doctor         doctorCmd         `cmd:"" help:"cli.doctor"`
	Password       passwordCmd       `cmd:"" help:"cli.password"`
	Version        versionCmd        `cmd:"" help:"cli.version"`
}

// env is what every command works with.
type env struct {
	ctx   context.Context
	in    io.Reader
	out   io.Writer
	errw  io.Writer
	texts *i18n.Bundle
	lang  i18n.Lang
	langs []i18n.Lang // all that were asked for; at least one
	log   *slog.Logger
	json  bool
}

// exit ends a command with a code after it has said everything itself.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// Main runs the command line and returns the exit code.
func Main(args []string, in io.Reader, out, errw io.Writer) int {
	texts, err := app.Texts(locales, demo.Locales(), bench.Locales(), fact.Locales(), content.Locales(), book.Locales(), scenario.Locales())
	if err != nil {
		fmt.Fprintln(errw, err)
		return exitFailed
	}
	lang := languageOf(args)
	var c commands
	code := -1
	parser, err := newParser(&c, texts, lang, kong.Writers(out, errw), kong.Exit(func(n int) { code = n }))
	if err != nil {
		fmt.Fprintln(errw, err)
		return exitFailed
	}
	kctx, err := parser.Parse(args)
	if code >= 0 { // help was printed
		return code
	}
	if err != nil {
		fmt.Fprintln(errw, texts.Text(lang, "cli.error.usage", i18n.Args{"detail": err.Error()}))
		return exitUsage
	}
	var level slog.Level
	level.UnmarshalText([]byte(c.LogLevel))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	langs := []i18n.Lang{lang}
	if len(c.Lang) > 0 {
		langs = nil
		for _, l := range c.Lang {
			langs = append(langs, i18n.Lang(l))
		}
	}
	e := &env{ctx: ctx, in: in, out: out, errw: errw, texts: texts, lang: lang, langs: langs, json: c.JSON,
		log: slog.New(slog.NewJSONHandler(errw, &slog.HandlerOptions{Level: level}))}
	return e.result(kctx.Run(e))
}

// newParser is the command line in a language. The helps hold keys and get their texts
// here. Variables of kong would do the same at a quarter of a second: it goes through all
// of them for each flag.
func newParser(c *commands, texts *i18n.Bundle, lang i18n.Lang, options ...kong.Option) (*kong.Kong, error) {
	parser, err := kong.New(c, append(options, kong.Name("trojmezi"), kong.Description(texts.Text(lang, "cli.about", nil)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}), kong.Help(helpIn(texts, lang)))...)
	if err != nil {
		return nil, err
	}
	parser.Model.HelpFlag.Help = "cli.help.flag"
	say := func(help *string) {
		if strings.HasPrefix(*help, "cli.") {
			*help = texts.Text(lang, *help, nil)
		}
	}
	return parser, kong.Visit(parser.Model, func(v kong.Visitable, next kong.Next) error {
		switch v := v.(type) {
		case *kong.Node:
			say(&v.Help)
		case *kong.Value:
			say(&v.Help)
		}
		return next(nil)
	})
}

// helpIn prints the help of kong with its headings in the language.
func helpIn(texts *i18n.Bundle, lang i18n.Lang) kong.HelpPrinter {
	heads := strings.NewReplacer("\nUsage: ", "\n"+texts.Text(lang, "cli.help.usage", nil)+" ", "\nArguments:\n", "\n"+texts.Text(lang, "cli.help.arguments", nil)+"\n",
		"\nFlags:\n", "\n"+texts.Text(lang, "cli.help.flags", nil)+"\n", "\nCommands:\n", "\n"+texts.Text(lang, "cli.help.commands", nil)+"\n",
		"\nRun \"", "\n"+texts.Text(lang, "cli.help.more", nil)+" \"", "\" for more information on a command.\n", "\"\n", "\" for more information.\n", "\"\n")
	return func(o kong.HelpOptions, ctx *kong.Context) error {
		var page bytes.Buffer
		out := ctx.Stdout
		ctx.Stdout = &page
		err := kong.DefaultHelpPrinter(o, ctx)
		ctx.Stdout = out
		if err != nil {
			return err
		}
		_, err = io.WriteString(out, strings.TrimPrefix(heads.Replace("\n"+page.String()), "\n"))
		return err
	}
}

// result prints an error for people and returns the exit code.
func (e *env) result(err error) int {
	if err == nil {
		return 0
	}
	if x, ok := errors.AsType[exit](err); ok {
		return int(x)
	}
	text, code := e.explain(err), exitFailed
	if _, ok := errors.AsType[*app.Faults](err); ok {
		code = exitUsage
	}
	if e.json {
		json.NewEncoder(e.out).Encode(map[string]string{"error": text})
	} else {
		fmt.Fprintln(e.errw, text)
	}
	return code
}

// explain turns an error into words for people; an error without a text of its
// own is told as it is.
func (e *env) explain(err error) string {
	if f, ok := errors.AsType[*app.Faults](err); ok {
		return f.Text(e.texts, e.lang)
	}
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Key != "" {
		return e.t(p.Key, p.Args)
	}
	return err.Error()
}

// say prints a text.
func (e *env) say(key string, args i18n.Args) { fmt.Fprintln(e.out, e.t(key, args)) }

func (e *env) t(key string, args i18n.Args) string { return e.texts.Text(e.lang, key, args) }

// show prints v as JSON, or calls people.
func (e *env) show(v any, people func()) error {
	if !e.json {
		people()
		return nil
	}
	enc := json.NewEncoder(e.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// firstOf is the first of a list with commas.
func firstOf(list string) string {
	first, _, _ := strings.Cut(list, ",")
	return first
}

// languageOf finds the language before anything is parsed, since the help
// itself is translated: --lang, TROJMEZI_LANG, then the locale of the terminal.
func languageOf(args []string) i18n.Lang {
	for i, a := range args {
		if v, ok := strings.CutPrefix(a, "--lang="); ok {
			if l, ok := i18n.Parse(firstOf(v)); ok {
				return l
			}
		}
		if a == "--lang" && i+1 < len(args) {
			if l, ok := i18n.Parse(firstOf(args[i+1])); ok {
				return l
			}
		}
	}
	for _, name := range []string{"TROJMEZI_LANG", "LC_ALL", "LC_MESSAGES", "LANG"} {
		v := os.Getenv(name)
		if len(v) >= 2 {
			if l, ok := i18n.Parse(v[:2]); ok {
				return l
			}
		}
		if v != "" {
			return i18n.En
		}
	}
	return i18n.En
}
