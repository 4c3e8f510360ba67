# A cluster that lets users in as Debian's does, for readers of the documentation: by "peer" over its
# Unix socket, a system user as the role of the same name only.
#
#     my $server = PatDebian->new('readme');
#     my $environment = $server->reader($home);    # of the system user who runs the test
#     $server->stop;
#
# Debian's server and its first role are those of the system user postgres. A test has one system user
# only, who is the reader: the first role has a name of its own here, as which the reader may connect in
# the place of postgres ($PAT_SERVER_OWNER). What `sudo -u postgres` does for files stays untested here;
# dev/new-user runs it with real users.

package PatDebian;

use strict;
use warnings;

use PatTest;

my $owner = 'server_owner';

# new(CLASS, NAME, SETTINGS)
sub new
{
	my ($class, $name, $settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	my $me = getpwuid $>;

	$node->init(extra => [ '--encoding', 'UTF8', '--locale', 'C.UTF-8', '--username', $owner ]);
	write_file($node->data_dir . '/pg_hba.conf', <<~"HBA");
		local   all   $owner   peer map=$owner
		local   all   all   peer
		host   all   all   127.0.0.1/32   scram-sha-256
		host   all   all   ::1/128   scram-sha-256
		HBA
	write_file($node->data_dir . '/pg_ident.conf', "$owner   $me   $owner\n");
	$node->append_conf('postgresql.conf', "timezone = 'UTC'\n" . ($settings || ''));
	$node->start;
	# Of a reader called postgres, it would be the reader's own.
	$node->safe_psql('template1', 'DROP DATABASE postgres', extra_params => [ '-U', $owner ]);
	return bless { node => $node }, $class;
}

sub write_file
{
	my ($path, $text) = @_;
	open(my $out, '>', $path) or die "$path: $!";
	print $out $text;
	close $out or die "$path: $!";
	return;
}

sub node { return $_[0]{node}; }

# The environment of a reader whose home is HOME: where the server is, and where the programs are.
# Nothing of the roles and databases of the test's own environment.
sub reader
{
	my ($self, $home) = @_;
	delete @ENV{qw(PGUSER PGDATABASE PGPASSWORD PGPASSFILE)};
	return {
		PGHOST => $self->{node}->host, PGPORT => $self->{node}->port, PGAPPNAME => 'readme', PGTZ => 'UTC',
		PAT_SOURCE => source_dir(), PAT_SERVER_OWNER => $owner, HOME => $home,
		PATH => source_dir() . "/bridge:$ENV{PATH}" };
}

sub stop
{
	my ($self) = @_;
	$self->{node}->stop;
	return;
}

1;
