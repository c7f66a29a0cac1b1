package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"
)

// profiled leaves a CPU profile of each longer response in the directory. Requests come one at a time.
func profiled(h http.Handler, dir string) http.Handler {
	n := 0
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		path := filepath.Join(dir, fmt.Sprintf("%s%s-%d-%d.prof", os.Getenv("MODE"), os.Getenv("STORE_LATENCY"), os.Getpid(), n))
		f, err := os.Create(path)
		if err != nil {
			log.Fatal("function: ", err)
		}
		begin := time.Now()
		if err := pprof.StartCPUProfile(f); err != nil {
			log.Fatal("function: ", err)
		}
		defer func() {
			pprof.StopCPUProfile()
			f.Close()
			if time.Since(begin) < 100*time.Millisecond {
				os.Remove(path)
			}
		}()
		h.ServeHTTP(w, r)
	})
}
