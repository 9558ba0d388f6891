package localtest

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
)

func TestEveryTestHasADatabaseOfItsOwn(t *testing.T) {
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			c := ClickHouse(t)
			for _, sql := range []string{"CREATE TABLE same (a UInt8) ENGINE = MergeTree ORDER BY a", "INSERT INTO same VALUES (1)"} {
				res, err := http.Post(c.URL(), "", strings.NewReader(sql))
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				if res.StatusCode != http.StatusOK {
					t.Errorf("%s: %s", sql, res.Status)
				}
			}
		})
	}
}

func TestEngineIsClosedAfterItsLastUser(t *testing.T) {
	var dir string
	for range 2 {
		t.Run("user", func(t *testing.T) {
			ClickHouse(t)
			dir = shared.dir
		})
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s is still there", dir)
		}
	}
}

func TestKafkaAndBrokersStart(t *testing.T) {
	if k := Kafka(t); len(k.Addrs()) != 1 {
		t.Errorf("embedded: %v", k.Addrs())
	}
	if b := Brokers(t, 1); len(b.Addrs()) != 1 {
		t.Errorf("real: %v", b.Addrs())
	}
}
