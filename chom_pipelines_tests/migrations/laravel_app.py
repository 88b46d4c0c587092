"""A minimal Laravel application on Debian's php-laravel-framework: real, and its own to migrate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_AUTOLOAD = "<?php\nrequire_once '/usr/share/php/Illuminate/autoload.php';\n"
_APP = """<?php
$app = new Illuminate\\Foundation\\Application(dirname(__DIR__));
$app->singleton(Illuminate\\Contracts\\Console\\Kernel::class, Illuminate\\Foundation\\Console\\Kernel::class);
$app->singleton(Illuminate\\Contracts\\Debug\\ExceptionHandler::class, Illuminate\\Foundation\\Exceptions\\Handler::class);
return $app;
"""
_CONFIG_APP = """<?php
return ['name' => 'shop', 'env' => 'production', 'debug' => false, 'key' => 'base64:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
    'cipher' => 'AES-256-CBC', 'timezone' => 'UTC', 'locale' => 'en', 'fallback_locale' => 'en',
    'providers' => [
        Illuminate\\Cache\\CacheServiceProvider::class,
        Illuminate\\Database\\DatabaseServiceProvider::class,
        Illuminate\\Filesystem\\FilesystemServiceProvider::class,
        Illuminate\\Foundation\\Providers\\ConsoleSupportServiceProvider::class,
        Illuminate\\Foundation\\Providers\\FoundationServiceProvider::class,
        Illuminate\\Queue\\QueueServiceProvider::class,
        Illuminate\\Translation\\TranslationServiceProvider::class,
    ], 'aliases' => []];
"""
_CONFIG_DATABASE = """<?php
return ['default' => 'mysql', 'migrations' => 'migrations', 'connections' => [
    'mysql' => ['driver' => 'mysql', 'url' => null, 'host' => '%(host)s', 'port' => '3306',
        'unix_socket' => '%(socket)s', 'database' => '%(database)s', 'username' => '%(user)s', 'password' => '%(password)s',
        'charset' => 'utf8mb4', 'collation' => 'utf8mb4_unicode_ci', 'prefix' => '', 'prefix_indexes' => true,
        'strict' => true, 'engine' => null, 'options' => []],
    'reports' => ['driver' => 'mysql', 'host' => 'production.invalid', 'port' => '3306', 'database' => '%(database)s',
        'username' => 'u', 'password' => 'secret', 'charset' => 'utf8mb4', 'collation' => 'utf8mb4_unicode_ci',
        'prefix' => '', 'strict' => true],
    'search' => ['driver' => 'pgsql', 'host' => 'search.invalid', 'database' => 'x', 'username' => 'x', 'password' => 'x'],
]];
"""
_MIGRATION = """<?php
use Illuminate\\Database\\Migrations\\Migration;
use Illuminate\\Database\\Schema\\Blueprint;
use Illuminate\\Support\\Facades\\DB;
use Illuminate\\Support\\Facades\\Schema;
return new class extends Migration {
    public function up() {
%s
    }
    public function down() {
%s
    }
};
"""
_ARTISAN = """<?php
require __DIR__.'/vendor/autoload.php';
$app = require_once __DIR__.'/bootstrap/app.php';
$kernel = $app->make(Illuminate\\Contracts\\Console\\Kernel::class);
$status = $kernel->handle($input = new Symfony\\Component\\Console\\Input\\ArgvInput,
    new Symfony\\Component\\Console\\Output\\ConsoleOutput);
$kernel->terminate($input, $status);
exit($status);
"""


@dataclass(frozen=True)
class LaravelApp:
    """The application in `place`."""

    place: Path

    def migration(self, name: str, up: str, down: str = "") -> Path:
        """Write one: the PHP that its `up` and `down` do."""
        path = self.place / "database" / "migrations" / f"{name}.php"
        path.write_text(_MIGRATION % (up, down))
        return path

    def sql(self, name: str, *statements: str, down: str = "") -> Path:
        """Write one whose `up` sends these statements."""
        return self.migration(name, "\n".join(f"DB::statement({_php(each)});" for each in statements), down)


def laravel_app(place: Path, *, socket: str, database: str, user: str = "root", password: str = "") -> LaravelApp:
    """Make one, for a database behind a socket."""
    values = {"host": "localhost", "socket": socket, "database": database, "user": user, "password": password}
    for path, text in {
        "vendor/autoload.php": _AUTOLOAD,
        "bootstrap/app.php": _APP,
        "config/app.php": _CONFIG_APP,
        "config/database.php": _CONFIG_DATABASE % values,
        "config/cache.php": "<?php return ['default' => 'array', 'stores' => ['array' => ['driver' => 'array']]];",
        "config/queue.php": "<?php return ['default' => 'sync', 'connections' => ['sync' => ['driver' => 'sync']]];",
        "artisan": _ARTISAN,
    }.items():
        file = place / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for folder in ("bootstrap/cache", "database/migrations", "storage/framework/views", "storage/logs"):
        (place / folder).mkdir(parents=True)
    return LaravelApp(place)


def _php(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
