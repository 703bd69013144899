package strictjson

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func scan(text string, depth int) *Fault {
	var s Scanner
	s.Init(text, depth)
	s.Skip()
	s.End()
	return s.Fault()
}

func TestScan(t *testing.T) {
	for text, want := range map[string]Reason{
		`null`: 0, ` [ ] `: 0, `{}`: 0, `[1,-0,0.5,1e5,1E+5,1.25e-10,true,false,null,"",{"a":{}}]`: 0, `"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude91"`: 0, `"ž🚑` + "\u2028" + `"`: 0,
		``: Truncated, `[`: Truncated, `[1`: Truncated, `[1,`: Truncated, `{`: Truncated, `{"a`: Truncated, `{"a"`: Truncated, `{"a":`: Truncated, `{"a":1`: Truncated, `"`: Truncated, `"\`: Truncated, `"\u12`: Truncated, `"\ud83d\u`: Surrogate,
		`tru`: Truncated, `-`: Truncated, `1.`: Truncated, `1e`: Truncated, `1e+`: Truncated,
		`]`: Syntax, `[1 2]`: Syntax, `[,]`: Syntax, `[1,]`: Syntax, `{,}`: Syntax, `{"a":1,}`: Syntax, `{a:1}`: Syntax, `{"a" 1}`: Syntax, `{"a":1 "b":2}`: Syntax, `{1:1}`: Syntax, `'a'`: Syntax, `nUll`: Syntax, `tru1`: Syntax, `-x`: Syntax, `.5`: Syntax, `+1`: Syntax, `1.x`: Syntax, `1ex`: Syntax, `NaN`: Syntax, `[1}`: Syntax, `{"a":1]`: Syntax, "\ufeff{}": Syntax, "\u00a0{}": Syntax,
		`01`: Trailing, `1 2`: Trailing, `{}{}`: Trailing, `-00`: Trailing, `nullx`: Trailing, `1/**/`: Trailing,
		"\"\x00\"": Control, "\"\n\"": Control, "\"\x1f\"": Control, `"\a"`: Escape, `"\u00g0"`: Escape, `"\U0041"`: Escape,
		`"\ud83d"`: Surrogate, `"\ude91"`: Surrogate, `"\ud83d\ud83d"`: Surrogate, `"\ud83dx"`: Surrogate,
		"\"\xff\"": NotUTF8, "\"\xc3\"": NotUTF8, "\"\xed\xa0\xbd\"": NotUTF8, "\"\xf4\x90\x80\x80\"": NotUTF8, "{\"\xff\":1}": NotUTF8,
		`{"a":1,"a":1}`: Duplicate, `{"a":1,"\u0061":1}`: Duplicate, `[{"x":{"":1,"":2}}]`: Duplicate,
		`[[[[[]]]]]`: TooDeep, `{"a":[{"b":[{}]}]}`: TooDeep,
	} {
		var got Reason
		f := scan(text, 4)
		if f != nil {
			got = f.Reason
		}
		if got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
		if f != nil && (f.Offset < 0 || f.Offset > len(text) || f.Error() == "") {
			t.Errorf("%s: %v", text, f)
		}
	}
}

// TestLenient waives the limits of I-JSON and no other.
func TestLenient(t *testing.T) {
	for text, want := range map[string]bool{
		`{"a":1,"a":1}`: true, `"\ud83d"`: true, "\"\xff\"": true, `{"a":1,}`: false, "\"\x00\"": false, `[[[[[]]]]]`: false, `"\x"`: false,
	} {
		var s Scanner
		s.Init(text, 4)
		s.Lenient()
		s.Skip()
		s.End()
		if got := s.Fault() == nil; got != want {
			t.Errorf("%s: %v", text, s.Fault())
		}
	}
}

func TestPlace(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":{"b":[1,2,{"c/~":x}]}}`: "/a/b/2/c~1~0",
		`{"a":[1,2,3,]}`:              "/a",
		`{"a":{"b":1,}}`:              "/a",
		`[[],[x]]`:                    "/1/0",
		`x`:                           "",
		`{"` + strings.Repeat("ž", 100) + `":x}`: "/" + strings.Repeat("ž", 32) + "…",
	} {
		if f := scan(text, 10); f == nil || f.Place != want {
			t.Errorf("%s: %v", text, f)
		}
	}
}

// TestLinearTime lets the attacks of size on scanners run: all finish at once.
func TestLinearTime(t *testing.T) {
	start := time.Now()
	many := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.ReplaceAll(format, "#", string(rune('a'+i%26))+strings.Repeat("x", i%7)+time.Duration(i).String()))
		}
		return b.String()
	}
	scan(`{`+many(`"#":0,`, 200_000)+`"":0}`, 10)
	scan(strings.Repeat("[", 5_000_000), MaxDepth)
	scan(`"`+strings.Repeat(`\ud83d\ude91`, 500_000)+`"`, 10)
	scan(strings.Repeat("1", 5_000_000), 10)
	scan(strings.Repeat(" ", 5_000_000), 10)
	scan(`[`+strings.Repeat(`{},`, 1_000_000)+`0]`, 10)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestNoAllocation(t *testing.T) {
	const text = `{"a":[1,2.5,"ž",null,true],"b":{"c":"x\ny","d":{}}}`
	var s Scanner
	if n := testing.AllocsPerRun(100, func() {
		s.Init(text, 10)
		s.Skip()
		if !s.End() {
			t.Fatal(s.Fault())
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// strict says by means of another decoder whether the text is I-JSON within the
// depth.
func strict(text string, depth int) bool {
	if !json.Valid([]byte(text)) || !utf8.ValidString(text) {
		return false
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	type frame struct {
		names map[string]bool // nil: array
		value bool            // a value comes next
	}
	var stack []*frame
	for {
		start := dec.InputOffset()
		tok, err := dec.Token()
		if err != nil {
			return true
		}
		var top *frame
		if len(stack) > 0 {
			top = stack[len(stack)-1]
		}
		switch tok := tok.(type) {
		case json.Delim:
			if tok == '}' || tok == ']' {
				stack = stack[:len(stack)-1]
				continue
			}
			if len(stack) == depth {
				return false
			}
			if top != nil {
				top.value = false
			}
			f := &frame{}
			if tok == '{' {
				f.names = map[string]bool{}
			}
			stack = append(stack, f)
			continue
		case string:
			raw := text[start:dec.InputOffset()]
			if strings.ContainsRune(tok, utf8.RuneError) && halves(raw) {
				return false
			}
			if top != nil && top.names != nil && !top.value {
				if top.names[tok] {
					return false
				}
				top.names[tok], top.value = true, true
				continue
			}
		}
		if top != nil {
			top.value = false
		}
	}
}

// halves looks for unpaired surrogates among the escapes of raw JSON text.
func halves(raw string) bool {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		if raw[i+1] != 'u' {
			i++
			continue
		}
		hex := strings.ToLower(raw[i+2 : i+6])
		i += 5
		if hex[0] != 'd' || hex[1] < '8' {
			continue
		}
		if hex[1] >= 'c' || len(raw) < i+7 || raw[i+1] != '\\' || raw[i+2] != 'u' || raw[i+3]|0x20 != 'd' || raw[i+4]|0x20 < 'c' {
			return true
		}
		i += 6
	}
	return false
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{`{"a":[1,-0.5e10,"ž\ud83d\ude91",null]}`, `{"a":1,"\u0061":2}`, `"\ud83d"`, `[[[[[[[[[]]]]]]]]]`, "\"\xff\"", `{"":{"":""}}`, `"\uDC00\uD800"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const depth = 8
		fault := scan(text, depth)
		if want := strict(text, depth); (fault == nil) != want {
			t.Errorf("%q: %v, want valid %v", text, fault, want)
		}
		var s Scanner
		s.Init(text, depth)
		if s.Peek() != String {
			return
		}
		raw, plain, ok := s.String()
		if !ok || !s.End() {
			return
		}
		got := raw
		if !plain {
			got = Decode(raw)
		}
		var want string
		if err := json.Unmarshal([]byte(text), &want); err != nil || got != want {
			t.Errorf("%q: decoded %q, want %q, %v", text, got, want, err)
		}
	})
}

func FuzzDecodeLenient(f *testing.F) {
	f.Add("\xff\\ud83d\\n")
	f.Fuzz(func(t *testing.T, raw string) {
		var s Scanner
		s.Init(`"`+raw+`"`, 1)
		s.Lenient()
		s.Peek()
		in, _, ok := s.String()
		if ok && !utf8.ValidString(Decode(in)) {
			t.Errorf("%q", raw)
		}
	})
}

func FuzzAppendString(f *testing.F) {
	f.Add("\x00\"\\\xff🚑\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		if err := json.Unmarshal(AppendString(nil, s), &back); err != nil || back != strings.ToValidUTF8(s, "\ufffd") {
			t.Errorf("%q: %q, %v", s, back, err)
		}
	})
}
