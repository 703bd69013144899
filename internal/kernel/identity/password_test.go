package identity

import (
	"strings"
	"testing"
	"testing/synctest"
)

func TestPasswordRoundTrip(t *testing.T) {
	for _, pw := range []string{"x", "příliš žluťoučký kůň", strings.Repeat("long ", 300), "with\x00zero"} {
		h, err := HashPassword(pw)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(h, "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Errorf("form of the hash: %s", h)
		}
		if err := CheckHash(h); err != nil {
			t.Errorf("CheckHash: %v", err)
		}
		for guess, want := range map[string]bool{pw: true, pw + "x": false, "": false} {
			if ok, err := CheckPassword(h, guess); ok != want || err != nil {
				t.Errorf("CheckPassword(%.20q, %.20q) = %v, %v", pw, guess, ok, err)
			}
		}
	}
}

func TestHashesDiffer(t *testing.T) {
	a, err := HashPassword("same")
	if err != nil {
		t.Fatal(err)
	}
	b, err := HashPassword("same")
	if err != nil {
		t.Fatal(err)
	}
	if a == b {
		t.Error("two hashes of one password are equal: no salt")
	}
	if _, err := HashPassword(""); err == nil {
		t.Error("an empty password was accepted")
	}
}

// Computed with the argon2 command of Debian, so that hashes made by hand work:
// echo -n "secret" | argon2 saltsaltsaltsalt -id -t 2 -k 19456 -p 1 -e
func TestForeignHash(t *testing.T) {
	const hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$6G4RVhNf4sYzxbGJQzsImNwnF3BnniV+nogjylwdjiA"
	if ok, err := CheckPassword(hash, "secret"); !ok || err != nil {
		t.Errorf("CheckPassword = %v, %v", ok, err)
	}
}

func TestBadHashes(t *testing.T) {
	const salt, key = "c2FsdHNhbHRzYWx0c2FsdA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	tests := []struct{ name, hash, want string }{
		{"empty", "", "PHC"},
		{"plain password", "secret", "PHC"},
		{"bcrypt", "$2y$10$abcdefghijklmnopqrstuv", "PHC"},
		{"argon2i", "$argon2i$v=19$m=19456,t=2,p=1$" + salt + "$" + key, "PHC"},
		{"old version", "$argon2id$v=16$m=19456,t=2,p=1$" + salt + "$" + key, "version"},
		{"4 TiB", "$argon2id$v=19$m=4294967295,t=2,p=1$" + salt + "$" + key, "memory"},
		{"just too large", "$argon2id$v=19$m=65537,t=2,p=1$" + salt + "$" + key, "memory"},
		{"too weak", "$argon2id$v=19$m=8,t=1,p=1$" + salt + "$" + key, "memory"},
		{"no time", "$argon2id$v=19$m=19456,t=0,p=1$" + salt + "$" + key, "time"},
		{"endless", "$argon2id$v=19$m=19456,t=1000000,p=1$" + salt + "$" + key, "time"},
		{"no threads", "$argon2id$v=19$m=19456,t=2,p=0$" + salt + "$" + key, "parallelism"},
		{"many threads", "$argon2id$v=19$m=19456,t=2,p=200$" + salt + "$" + key, "parallelism"},
		{"overflow", "$argon2id$v=19$m=99999999999,t=2,p=1$" + salt + "$" + key, "parameters"},
		{"order", "$argon2id$v=19$t=2,m=19456,p=1$" + salt + "$" + key, "parameters"},
		{"more parameters", "$argon2id$v=19$m=19456,t=2,p=1,x=1$" + salt + "$" + key, "parameters"},
		{"leading zero", "$argon2id$v=19$m=019456,t=2,p=1$" + salt + "$" + key, "parameters"},
		{"no salt", "$argon2id$v=19$m=19456,t=2,p=1$$" + key, "salt"},
		{"bad salt", "$argon2id$v=19$m=19456,t=2,p=1$!!!$" + key, "salt"},
		{"no key", "$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$", "key"},
		{"huge key", "$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + strings.Repeat("A", 4096), "key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ok, err := CheckPassword(tt.hash, "secret")
			if ok || err == nil {
				t.Fatalf("CheckPassword = %v, %v", ok, err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error does not name the %s: %v", tt.want, err)
			}
			if CheckHash(tt.hash) == nil {
				t.Error("CheckHash accepts it")
			}
		})
	}
}

// With every slot taken a check waits; it goes on when one is free.
func TestChecksAreLimited(t *testing.T) {
	outside := checks
	defer func() { checks = outside }()
	synctest.Test(t, func(t *testing.T) {
		checks = make(chan struct{}, maxChecks) // one of the bubble, or Wait would not see who waits for it
		for range maxChecks {
			checks <- struct{}{}
		}
		done := false
		go func() {
			if _, err := HashPassword("x"); err != nil {
				t.Error(err)
			}
			done = true
		}()
		synctest.Wait()
		if done {
			t.Error("a hash was computed beyond the limit")
		}
		<-checks
		synctest.Wait()
		if !done {
			t.Error("still waiting with a free slot")
		}
	})
}

func BenchmarkCheckPassword(b *testing.B) {
	h, err := HashPassword("x")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := CheckPassword(h, "x"); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func TestPasswordInAnySpelling(t *testing.T) {
	hash, err := HashPassword("tři koně")
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := CheckPassword(hash, "tr\u030ci kone\u030c"); err != nil || !ok {
		t.Errorf("with the accents as signs of their own: %v, %v", ok, err)
	}
}
