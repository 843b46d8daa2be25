package db_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"turkey/internal/db/dbtest"
)

// statement is one of sqlc's, by the package that it was generated into.
type statement struct{ in, name, sql string }

// statements reads all that were generated.
func statements(t testing.TB) (all []statement) {
	t.Helper()
	files, err := filepath.Glob("../*/*db/*.sql.go")
	if err != nil || len(files) < 3 {
		t.Fatalf("generated code not found: %v %v", files, err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				v := s.(*ast.ValueSpec)
				sql, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, statement{filepath.Base(filepath.Dir(name)), v.Names[0].Name, sql})
			}
		}
	}
	if len(all) < 50 {
		t.Fatalf("only %d statements found", len(all))
	}
	return all
}

// TestEveryStatementPrepares lets PostgreSQL itself judge every generated statement: sqlc's own parser knows less about
// types than the server does.
func TestEveryStatementPrepares(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	for _, s := range statements(t) {
		if _, err := conn.Prepare(t.Context(), "", s.sql); err != nil {
			t.Errorf("%s: %s: %v", s.in, s.name, err)
		}
	}
}

// TestEveryStatementNamesItsTenant: policies are the second wall. A statement that forgets the first still finds nothing of
// others, so no other test sees it.
func TestEveryStatementNamesItsTenant(t *testing.T) {
	t.Parallel()
	for _, s := range statements(t) {
		if strings.HasSuffix(s.name, "System") || !strings.Contains(s.sql, "FROM ") && !strings.Contains(s.sql, "INSERT ") && !strings.Contains(s.sql, "UPDATE ") {
			continue
		}
		if !strings.Contains(s.sql, "current_user_no()") && !strings.Contains(s.sql, "app_id") {
			t.Errorf("%s: %s: names no tenant", s.in, s.name)
		}
	}
}
