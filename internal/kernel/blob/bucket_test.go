package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"trojmezi/internal/kernel/blob"
	"trojmezi/internal/kernel/blob/blobtest"
	"trojmezi/internal/kernel/clock"
)

// s3Env names the variable with the address of an S3 server on which the tests
// may make buckets: http://ACCESS:SECRET@host:port. `.ci/s3` starts one.
const s3Env = "TROJMEZI_TEST_S3"

var buckets atomic.Int64

// server makes a bucket and returns what opens it.
func server(t *testing.T) (blob.BucketConfig, *minio.Client) {
	t.Helper()
	address := os.Getenv(s3Env)
	if address == "" {
		t.Skip(s3Env + " is not set: no S3 server")
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := u.User.Password()
	cfg := blob.BucketConfig{
		Endpoint: u.Host, Bucket: fmt.Sprintf("test-%d-%d", time.Now().UnixNano(), buckets.Add(1)), Prefix: "node/",
		Region: "us-east-1", AccessKey: u.User.Username(), SecretKey: secret, Plain: u.Scheme == "http", Spool: t.TempDir(),
	}
	raw, err := minio.New(cfg.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""), Secure: !cfg.Plain, Region: cfg.Region})
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.MakeBucket(t.Context(), cfg.Bucket, minio.MakeBucketOptions{Region: cfg.Region}); err != nil {
		t.Fatal(err)
	}
	return cfg, raw
}

func openBucket(t *testing.T, cfg blob.BucketConfig, clk *clock.Clock) *blob.Bucket {
	t.Helper()
	b, err := blob.OpenBucket(t.Context(), cfg, clk)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBucket(t *testing.T) {
	blobtest.Run(t, func(t *testing.T, clk *clock.Clock) blobtest.Store {
		cfg, _ := server(t)
		return openBucket(t, cfg, clk)
	})
}

func TestBucketMustExist(t *testing.T) {
	cfg, _ := server(t)
	cfg.Bucket += "-not"
	if _, err := blob.OpenBucket(t.Context(), cfg, clock.System()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	cfg, _ = server(t)
	cfg.SecretKey = "wrong"
	if _, err := blob.OpenBucket(t.Context(), cfg, clock.System()); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a wrong key: %v", err)
	}
}

// Nodes that share a bucket do not see each other, nor what others keep there.
func TestBucketPrefix(t *testing.T) {
	cfg, raw := server(t)
	other := cfg
	other.Prefix = "other/"
	a, b := openBucket(t, cfg, clock.System()), openBucket(t, other, clock.System())
	ref, err := a.Put(t.Context(), strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Stat(ref); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("seen by the other: %v", err)
	}
	for _, name := range []string{"node/README", "node/ab/not-a-hash"} {
		if _, err := raw.PutObject(t.Context(), cfg.Bucket, name, strings.NewReader("?"), 1, minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	if err := a.Walk(t.Context(), 0, func(r blob.Ref, _ blob.Info) error {
		n++
		if r != ref {
			t.Errorf("walked over %v", r)
		}
		return nil
	}); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
}

// What rots on the server is not handed out as whole.
func TestBucketFindsChangedBytes(t *testing.T) {
	cfg, raw := server(t)
	b := openBucket(t, cfg, clock.System())
	ref, err := b.Put(t.Context(), strings.NewReader("as it was"))
	if err != nil {
		t.Fatal(err)
	}
	name := cfg.Prefix + ref.String()[:2] + "/" + ref.String()[2:]
	if _, err := raw.PutObject(t.Context(), cfg.Bucket, name, strings.NewReader("as it is."), 9, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	r, err := b.Open(ref)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadAll(r); !errors.Is(err, blob.ErrCorrupt) {
		t.Errorf("%v", err)
	}
	// Putting the bytes again heals them.
	if _, err := b.Put(t.Context(), strings.NewReader("as it was")); err != nil {
		t.Fatal(err)
	}
	again, err := b.Open(ref)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got, err := io.ReadAll(again); err != nil || string(got) != "as it was" {
		t.Errorf("%q %v", got, err)
	}
}

// A line that breaks while bytes are sent leaves nothing on the server and
// nothing in the spool.
func TestBucketBrokenLine(t *testing.T) {
	cfg, _ := server(t)
	whole := openBucket(t, cfg, clock.System())
	cut := cfg
	cut.Transport = cutting{http.DefaultTransport}
	b := openBucket(t, cut, clock.System())
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := b.Put(ctx, bytes.NewReader(make([]byte, 1<<20))); err == nil {
		t.Error("no error")
	}
	if err := whole.Walk(t.Context(), 0, func(r blob.Ref, _ blob.Info) error { t.Errorf("left: %v", r); return nil }); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(cfg.Spool, "*")); err != nil || len(left) != 0 {
		t.Errorf("the spool holds %v, %v", left, err)
	}
}

// cutting breaks every upload in its middle.
type cutting struct{ http.RoundTripper }

var errCut = errors.New("line cut")

func (c cutting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPut {
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, r.ContentLength/2), failing{}))
	}
	return c.RoundTripper.RoundTrip(r)
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errCut }
