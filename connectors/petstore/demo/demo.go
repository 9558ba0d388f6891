// Package demo is a small Petstore to try flows against and to test with: the API the petstore connector speaks, its pets
// in one append-only file, and faults on demand.
package demo

import (
	"bufio"
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// DefaultAPIKey is the key the server accepts unless told otherwise.
const DefaultAPIKey = "demo-key"

// Pet is what the Petstore keeps.
type Pet struct {
	ID     int64  `json:"id"`
	Name   string `json:"name"`
	Status string `json:"status"`
}

// record is a line of the file.
type record struct {
	Pet
	Key string `json:"key,omitempty"` // the Idempotency-Key it was created with
}

// Server is a Petstore. It is an http.Handler, safe for concurrent use.
type Server struct {
	apiKey string
	mux    *http.ServeMux

	mu    sync.Mutex
	file  *os.File
	size  int64 // of the whole lines in file
	pets  []Pet
	byKey map[string]int // index into pets
	fault Fault
	hits  map[string]int
	total int
}

// Fault is what happens to the next requests under /v2/pet.
type Fault struct {
	Next       int           // how many requests it happens to
	Status     int           // answered instead of the pet; 0: answered as usual, after Delay
	RetryAfter time.Duration // sent as Retry-After, in whole seconds
	Delay      time.Duration // waited before the answer, or until the client is gone
	Stored     bool          // the pet is stored although Status says it was not: an answer that was lost
}

// Open reads the pets kept in folder/pets.jsonl, which it creates if need be. An apiKey of "" means [DefaultAPIKey]. A
// last line cut short by a crash is dropped.
func Open(folder, apiKey string) (*Server, error) {
	if apiKey == "" {
		apiKey = DefaultAPIKey
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return nil, fmt.Errorf("opening the petstore: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(folder, "pets.jsonl"), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the petstore: %w", err)
	}
	s := &Server{apiKey: apiKey, file: file, byKey: map[string]int{}, hits: map[string]int{}}
	if err := s.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("reading %s: %w", file.Name(), err), file.Close())
	}
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("GET /{$}", s.index)
	s.mux.HandleFunc("GET /v2/user/me", s.keyed(s.me))
	s.mux.HandleFunc("POST /v2/pet", s.keyed(s.faulty(s.create)))
	s.mux.HandleFunc("GET /v2/pet/findByStatus", s.keyed(s.faulty(s.find)))
	s.mux.HandleFunc("GET /v2/pet/{id}", s.keyed(s.faulty(s.get)))
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fail(w, http.StatusNotFound, "there is nothing here") })
	return s, nil
}

func (s *Server) load() error {
	in := bufio.NewReader(s.file)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return s.file.Truncate(s.size) // what follows the last newline was never answered
		}
		if err != nil {
			return err
		}
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("line %d: %w", len(s.pets)+1, err)
		}
		s.keep(r)
		s.size += int64(len(line))
	}
}

func (s *Server) keep(r record) {
	s.pets = append(s.pets, r.Pet)
	if r.Key != "" {
		s.byKey[r.Key] = len(s.pets) - 1
	}
}

// Close closes the file. Requests after it fail.
func (s *Server) Close() error { return s.file.Close() }

// ServeHTTP answers the Petstore API under /v2.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Fail makes the next requests under /v2/pet fail. It replaces an earlier Fail.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Pets returns the pets in the order they were created.
func (s *Server) Pets() []Pet {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Pet(nil), s.pets...)
}

// Hits returns how many requests to create a pet came, and how many by each Idempotency-Key ("" for those without), the
// failed ones included.
func (s *Server) Hits() (total int, byKey map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total, maps.Clone(s.hits)
}

func (s *Server) keyed(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Api-Key")), []byte(s.apiKey)) != 1 {
			fail(w, http.StatusUnauthorized, "the API key is wrong or missing: send it in the header api-key")
			return
		}
		next(w, r)
	}
}

func (s *Server) faulty(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		s.mu.Lock()
		if r.Method == http.MethodPost {
			s.total++
			s.hits[key]++
		}
		var f Fault
		if s.fault.Next > 0 {
			s.fault.Next--
			f = s.fault
		}
		s.mu.Unlock()

		if f.Delay > 0 {
			timer := time.NewTimer(f.Delay)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-r.Context().Done():
				return
			}
		}
		if f.Status == 0 {
			next(w, r)
			return
		}
		if f.Stored {
			next(discard{http.Header{}}, r)
		}
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter/time.Second)))
		}
		fail(w, f.Status, "a fault that was asked for")
	}
}

// discard swallows an answer that is to be lost.
type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

func (s *Server) index(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	count := len(s.pets)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintf(w, `Petstore for trying out flows. It keeps %d pets.

POST /v2/pet                       {"name": "Gromit", "status": "sold"}
GET  /v2/pet/{id}
GET  /v2/pet/findByStatus?status=sold
GET  /v2/user/me

Every request needs the header api-key. The same Idempotency-Key gives the same pet.
`, count)
}

func (s *Server) me(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"id": 1, "username": "demo"})
}

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	var given struct {
		Name   string  `json:"name"`
		Status *string `json:"status"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, "a pet has at most 1 MiB")
		return
	}
	if err := json.Unmarshal(body, &given); err != nil {
		fail(w, http.StatusBadRequest, "the body is not a pet in JSON")
		return
	}
	status := "available"
	if given.Status != nil {
		status = *given.Status
	}
	if given.Name == "" || !known(status) {
		fail(w, http.StatusUnprocessableEntity, "a pet has a name, and a status of available, pending or sold")
		return
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.Header.Get("Idempotency-Key")
	if i, ok := s.byKey[key]; ok && key != "" {
		answer(w, http.StatusOK, s.pets[i])
		return
	}
	added := record{Pet: Pet{ID: int64(len(s.pets)) + 1, Name: given.Name, Status: status}, Key: key}
	var line bytes.Buffer
	if err := json.NewEncoder(&line).Encode(added); err != nil {
		fail(w, http.StatusInternalServerError, "the pet cannot be written")
		return
	}
	// One write of a whole line: a crash leaves it or a torn end, which Open drops.
	if _, err := s.file.Write(line.Bytes()); err != nil {
		_ = s.file.Truncate(s.size) // the disk may be full: half a line must not stay before the next one
		fail(w, http.StatusInternalServerError, "the pet cannot be kept")
		return
	}
	s.size += int64(line.Len())
	s.keep(added)
	answer(w, http.StatusOK, added.Pet)
}

func (s *Server) get(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || id < 1 || id > int64(len(s.pets)) {
		fail(w, http.StatusNotFound, "there is no such pet")
		return
	}
	answer(w, http.StatusOK, s.pets[id-1])
}

func (s *Server) find(w http.ResponseWriter, r *http.Request) {
	wanted := strings.Split(r.URL.Query().Get("status"), ",")
	for _, status := range wanted {
		if !known(status) {
			fail(w, http.StatusBadRequest, "the status is available, pending or sold")
			return
		}
	}
	found := []Pet{}
	for _, pet := range s.Pets() {
		for _, status := range wanted {
			if pet.Status == status {
				found = append(found, pet)
			}
		}
	}
	answer(w, http.StatusOK, found)
}

func known(status string) bool {
	return status == "available" || status == "pending" || status == "sold"
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func fail(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]any{"code": status, "message": message})
}
