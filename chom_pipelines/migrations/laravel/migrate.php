<?php

/**
 * Runs the pending migrations of a Laravel application on a throw-away server, by the application's own migrator.
 *
 *   php migrate.php APPLICATION RESULT   (its environment: CHOM_SOCKET, CHOM_USER)
 *
 * Every connection to MySQL or MariaDB leads to that server, whatever .env, the configuration or its cache say; those to
 * other databases, caches, queues and mail lead nowhere. Each migration runs as `artisan migrate --path` of one file
 * would have it; where one fails, the next is tried. RESULT gets a line of JSON for each.
 */

declare(strict_types=1);

use Illuminate\Contracts\Console\Kernel;
use Illuminate\Database\Connectors\ConnectionFactory;
use Illuminate\Foundation\Bootstrap\LoadConfiguration;

[, $base, $result] = $argv;
$written = fopen($result, 'w');
$tell = function (array $line) use ($written): void {
    fwrite($written, json_encode($line, JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE)."\n");
    fflush($written);
};

chdir($base);
define('LARAVEL_START', microtime(true));
require $base.'/vendor/autoload.php';
$app = require $base.'/bootstrap/app.php';

// what a connection is made from: as a migration may make one up at run time, the factory asks this as well
$led = function (array $connection): array {
    $driver = $connection['driver'] ?? '';
    // a URL wins over everything else in a connection, and may name another driver and another database
    if (! empty($connection['url'])) {
        $parsed = (new Illuminate\Support\ConfigurationUrlParser)->parseConfiguration($connection);
        $driver = $parsed['driver'] ?? $driver;
        $connection['database'] = $parsed['database'] ?? ($connection['database'] ?? '');
    }
    if (! in_array($driver, ['mysql', 'mariadb'], true)) {
        return ['driver' => 'none: the migration check follows MySQL alone', 'database' => '', 'prefix' => ''];
    }
    unset($connection['url'], $connection['read'], $connection['write'], $connection['sticky']);
    $options = $connection['options'] ?? [];
    foreach (['PDO::MYSQL_ATTR_SSL_CA', 'PDO::MYSQL_ATTR_SSL_CERT', 'PDO::MYSQL_ATTR_SSL_KEY',
        'PDO::MYSQL_ATTR_SSL_VERIFY_SERVER_CERT', 'PDO::ATTR_PERSISTENT'] as $constant) {
        if (defined($constant)) {
            unset($options[constant($constant)]);
        }
    }

    return [
        'driver' => $driver,
        'host' => 'localhost',
        'port' => 0,
        'unix_socket' => getenv('CHOM_SOCKET'),
        'username' => getenv('CHOM_USER'),
        'password' => '',
        'options' => $options,
    ] + $connection;
};

$app->afterBootstrapping(LoadConfiguration::class, function ($app) use ($tell, $led): void {
    $config = $app['config'];
    $app->extend('db.factory', fn ($factory, $app) => new class($app, $led) extends ConnectionFactory
    {
        public function __construct($container, private Closure $led)
        {
            parent::__construct($container);
        }

        public function make(array $config, $name = null)
        {
            return parent::make(($this->led)($config), $name);
        }
    });
    $refused = [];
    foreach ($config->get('database.connections', []) as $name => $connection) {
        $config->set("database.connections.$name", $now = $led($connection));
        if (! in_array($now['driver'], ['mysql', 'mariadb'], true)) {
            $refused[] = $name;
        }
    }
    $config->set('cache.default', 'array');
    $config->set('session.driver', 'array');
    $config->set('mail.default', 'array');
    $config->set('broadcasting.default', 'null');
    $config->set('queue.default', 'null');
    $config->set('queue.connections.null', ['driver' => 'null']);
    $default = $config->get('database.default');
    $tell([
        'application' => $app->version(),
        'connection' => $default,
        'database' => $config->get("database.connections.$default.database"),
        'table' => $config->get("database.connections.$default.prefix", '')
            .(is_array($table = $config->get('database.migrations')) ? $table['table'] : $table),
        'refused' => $refused,
    ]);
});

$app->make(Kernel::class)->bootstrap();

$migrator = $app['migrator'];
$migrator->setConnection($app['config']->get('database.default'));
if (! $migrator->repositoryExists()) {
    $migrator->getRepository()->createRepository();
}

$mark = function (string $text) use ($app): void {
    $app['db']->connection()->select('select '.$app['db']->connection()->getPdo()->quote("chom: $text"));
};
// as `migrate` finds them: the application's own, and those that packages have registered
$paths = array_merge([$app->databasePath('migrations')], $migrator->paths());
$files = $migrator->getMigrationFiles($paths);
$applied = $migrator->getRepository()->getRan();
$tell(['files' => (object) $files, 'applied' => $applied]);

foreach (array_diff(array_keys($files), $applied) as $name) {
    $mark("begin $name");
    $begun = microtime(true);
    $line = ['migration' => $name, 'failure' => '', 'number' => null];
    try {
        $migrator->run([$files[$name]], ['step' => true]);
    } catch (Throwable $error) {
        $line['failure'] = $error->getMessage();
        $cause = $error;
        while ($cause !== null && ! $cause instanceof PDOException) {
            $cause = $cause->getPrevious();
        }
        $line['number'] = isset($cause->errorInfo[1]) ? (int) $cause->errorInfo[1] : null;
        $line['place'] = $error->getFile().':'.$error->getLine();
    }
    $line['seconds'] = microtime(true) - $begun;
    $tell($line);
    foreach (array_keys($app['db']->getConnections()) as $open) {
        $app['db']->purge($open); // a failed migration may have left it in a transaction, or with other settings
    }
    $mark("end $name");
}
$run = count($migrator->getRepository()->getRan()) - count($applied);
if (getenv('CHOM_ROLL_BACK') !== false && $run > 0) {
    $mark('back');
    try {
        $migrator->rollback($paths, ['step' => $run]);
        $tell(['rollback' => '']);
    } catch (Throwable $error) {
        $tell(['rollback' => $error->getMessage()]);
    }
}
$tell(['done' => true]); // PHP ends well even after what its handler has caught
