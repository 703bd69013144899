package conformance

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

func askToken(t testing.TB, base, authorization string) reply {
	t.Helper()
	return caller{t: t, base: base, auth: authorization}.call("GET", "/token", nil)
}

func TestToken(t *testing.T) {
	t.Parallel()
	n := solo(t)
	good := strings.TrimPrefix(basic(poolAccount, poolPassword), "Basic ")

	for _, scheme := range []string{"Basic", "basic", "BASIC", "bAsIc"} {
		t.Run("scheme_"+scheme, func(t *testing.T) {
			askToken(t, clientBase(n), scheme+" "+good).want(t, 200)
		})
	}
	for _, scheme := range []string{"Bearer", "bearer", "BEARER"} {
		t.Run("scheme_"+scheme, func(t *testing.T) {
			c := n.api(t, poolAccount)
			c.auth = scheme + strings.TrimPrefix(c.auth, "Bearer")
			c.call("GET", "/info", nil).want(t, 200)
		})
	}
	t.Run("jwt_with_iat_and_exp", func(t *testing.T) {
		for _, name := range []string{poolAccount, "remote"} {
			token, err := n.token(name)
			if err != nil {
				t.Fatal(err)
			}
			header, claims := readJWT(t, token)
			iat, ok1 := claims["iat"].(float64)
			exp, ok2 := claims["exp"].(float64)
			if !ok1 || !ok2 || iat != float64(int64(iat)) || exp <= iat || exp > iat+24*3600 {
				t.Errorf("%s: claims %v", name, claims)
			}
			if d := time.Since(time.Unix(int64(iat), 0)); d < -5*time.Second || d > 10*time.Minute {
				t.Errorf("%s: iat is %v ago", name, d)
			}
			if alg, _ := header["alg"].(string); strings.HasPrefix(alg, "HS") || alg == "none" {
				t.Errorf("%s: alg %s without token_secret", name, alg)
			}
		}
	})
	for name, header := range map[string]string{
		"wrong_password":      basic(poolAccount, "guess"),
		"empty_password":      basic(poolAccount, ""),
		"unknown_user":        basic("nobody", poolPassword),
		"password_of_another": basic("other", poolPassword),
		"missing":             "",
		"no_base64":           "Basic ***",
		"no_colon":            "Basic " + base64.StdEncoding.EncodeToString([]byte(poolAccount)),
		"other_scheme":        "Digest " + good,
		"scheme_only":         "Basic",
		"bearer_instead":      "Bearer " + good,
		"user_in_upper_case":  basic(strings.ToUpper(poolAccount), poolPassword),
	} {
		t.Run(name+"_401_475", func(t *testing.T) {
			askToken(t, clientBase(n), header).wantError(t, 401, 475)
		})
	}
	t.Run("peer_account_at_client_api_401_475", func(t *testing.T) {
		askToken(t, clientBase(n), basic("remote", "remote-secret-1")).wantError(t, 401, 475)
	})
	t.Run("client_account_at_p2p_api_401_475", func(t *testing.T) {
		askToken(t, p2pBase(n), basic(poolAccount, poolPassword)).wantError(t, 401, 475)
	})
	t.Run("wrong_password_at_p2p_api_401_475", func(t *testing.T) {
		askToken(t, p2pBase(n), basic("remote", "guess")).wantError(t, 401, 475)
	})
}

// The POST form of RFC 6749 is an extension to the specification's GET.
func TestTokenForm(t *testing.T) {
	t.Parallel()
	n := solo(t)
	post := func(t *testing.T, form, auth string) reply {
		request, _ := http.NewRequest("POST", clientBase(n)+"/token", strings.NewReader(form))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if auth != "" {
			request.Header.Set("Authorization", auth)
		}
		r := caller{}.do(request)
		if r.err != nil {
			t.Fatal(r.err)
		}
		return r
	}
	grant := "grant_type=client_credentials"
	inForm := "&client_id=" + poolAccount + "&client_secret=" + poolPassword
	for name, c := range map[string]struct{ form, auth string }{
		"credentials_in_header": {grant, basic(poolAccount, poolPassword)},
		"credentials_in_form":   {grant + inForm, ""},
	} {
		t.Run(name, func(t *testing.T) {
			answer := decode[struct {
				AccessToken string `json:"access_token"`
				TokenType   string `json:"token_type"`
				ExpiresIn   int    `json:"expires_in"`
			}](t, post(t, c.form, c.auth).want(t, 200))
			if !strings.EqualFold(answer.TokenType, "bearer") || answer.ExpiresIn <= 0 {
				t.Errorf("answer %+v", answer)
			}
			caller{t: t, base: clientBase(n), auth: "Bearer " + answer.AccessToken}.call("GET", "/info", nil).want(t, 200)
		})
	}
	t.Run("wrong_secret_401_475", func(t *testing.T) {
		post(t, grant+"&client_id="+poolAccount+"&client_secret=guess", "").wantError(t, 401, 475)
	})
	t.Run("no_credentials_401_475", func(t *testing.T) { post(t, grant, "").wantError(t, 401, 475) })
	t.Run("other_grant_400_460", func(t *testing.T) {
		post(t, "grant_type=password"+inForm, "").wantError(t, 400, 460)
	})
}

func TestBadToken(t *testing.T) {
	t.Parallel()
	n, _ := pair(t)
	other := solo(t)
	token := func(from *node, name string) string {
		s, err := from.token(name)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + s
	}
	own := token(n, poolAccount)
	_, claims := readJWT(t, strings.TrimPrefix(own, "Bearer "))
	endpoints := []struct{ name, method, base, path string }{
		{"client_info", "GET", clientBase(n), "/info"},
		{"client_registry", "GET", clientBase(n), "/registry"},
		{"client_record", "GET", clientBase(n), "/registry/" + n.oid},
		{"client_send", "POST", clientBase(n), "/messaging/send"},
		{"client_receive", "POST", clientBase(n), "/messaging/receive"},
		{"client_commit", "POST", clientBase(n), "/messaging/commit"},
		{"p2p_info", "GET", p2pBase(n), "/info"},
		{"p2p_registry", "GET", p2pBase(n), "/registry"},
		{"p2p_send", "POST", p2pBase(n), "/messaging/send"},
	}
	bad := map[string]string{
		"missing":     "",
		"garbage":     "Bearer garbage",
		"empty":       "Bearer ",
		"basic":       basic(poolAccount, poolPassword),
		"foreign":     token(other, poolAccount), // same account name at another node
		"alg_none":    "Bearer " + unsignedJWT(claims),
		"hs256_empty": "Bearer " + hs256(claims, ""),
		"tampered":    tamper(own),
	}
	for _, e := range endpoints {
		for name, auth := range bad {
			t.Run(e.name+"/"+name+"_401_475", func(t *testing.T) {
				body := any(nil)
				if e.method == "POST" {
					body = record{}
				}
				caller{t: t, base: e.base, auth: auth}.call(e.method, e.path, body).wantError(t, 401, 475)
			})
		}
	}
	t.Run("client_token_at_p2p_401_475", func(t *testing.T) {
		caller{t: t, base: p2pBase(n), auth: own}.call("GET", "/registry", nil).wantError(t, 401, 475)
	})
	t.Run("peer_token_at_client_401_475", func(t *testing.T) {
		caller{t: t, base: clientBase(n), auth: token(n, "node-1")}.call("GET", "/registry", nil).wantError(t, 401, 475)
	})
}

// Shared-secret tokens exist for test federations; there an expired token can be made.
func TestTokenSecret(t *testing.T) {
	t.Parallel()
	const secret = "a shared secret for test federations"
	n := start(t, spec{oid: "1.2.3.4.20.0", clients: pool("1.2.3.4.20", 2), secret: secret})
	token, err := n.token(poolAccount)
	if err != nil {
		t.Fatal(err)
	}
	header, claims := readJWT(t, token)
	with := func(t *testing.T, change func(c record), key string) reply {
		c := record{}
		for k, v := range claims {
			c[k] = v
		}
		change(c)
		return caller{t: t, base: clientBase(n), auth: "Bearer " + hs256(c, key)}.call("GET", "/info", nil)
	}
	t.Run("hs256_with_the_secret", func(t *testing.T) {
		cut := strings.LastIndexByte(token, '.')
		if header["alg"] != "HS256" || header["typ"] != "JWT" || token[cut+1:] != mac256(token[:cut], secret) {
			t.Errorf("header %v, or the signature is not made with the secret", header)
		}
	})
	t.Run("own_token_with_same_claims", func(t *testing.T) { with(t, func(record) {}, secret).want(t, 200) })
	t.Run("expired_401_475", func(t *testing.T) {
		with(t, func(c record) { c["iat"], c["exp"] = time.Now().Unix()-7200, time.Now().Unix()-3600 }, secret).wantError(t, 401, 475)
	})
	t.Run("without_exp_401_475", func(t *testing.T) {
		with(t, func(c record) { delete(c, "exp") }, secret).wantError(t, 401, 475)
	})
	t.Run("other_secret_401_475", func(t *testing.T) {
		with(t, func(record) {}, secret+"!").wantError(t, 401, 475)
	})
}

func readJWT(t testing.TB, token string) (header, claims record) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("token has %d parts", len(parts))
	}
	for i, part := range []*record{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, part); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

func jwtText(header string, claims record) string {
	text, _ := json.Marshal(claims)
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(text)
}

func unsignedJWT(claims record) string { return jwtText(`{"typ":"JWT","alg":"none"}`, claims) + "." }

func hs256(claims record, key string) string {
	text := jwtText(`{"typ":"JWT","alg":"HS256"}`, claims)
	return text + "." + mac256(text, key)
}

func mac256(text, key string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// tamper changes one character in the middle of the signature.
func tamper(token string) string {
	i := strings.LastIndexByte(token, '.') + 10
	other := "A"
	if token[i] == 'A' {
		other = "B"
	}
	return token[:i] + other + token[i+1:]
}
