# Certificates of a test's own, made by the openssl command, and openssl as a client.
#
#     my $ca = PatTls->new($directory);
#     my ($cert, $key) = $ca->issue('server', serial => 17);
#     my $client = PatTls::client($port, '-tls1_3', '-CAfile', $ca->cert);
#     $client->{in} .= "GET / …"; wait_until(sub { $client->{run}->pump_nb; $client->{out} =~ … });

package PatTls;

use strict;
use warnings;

use IPC::Run ();
use PatTest;

# new(CLASS, DIRECTORY): a certificate authority whose files are in it.
sub new
{
	my ($class, $directory) = @_;
	my $self = bless { directory => $directory }, $class;
	openssl('req', '-x509', @{ key_arguments("$directory/ca.key") }, '-out', $self->cert, '-days',
		'30', '-subj', '/CN=pat test CA');
	return $self;
}

sub cert { return "$_[0]{directory}/ca.pem"; }

sub key_arguments
{
	my ($path) = @_;
	return [
		'-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', $path ];
}

sub openssl
{
	my (@arguments) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'openssl', @arguments ], '<', \undef, '>', \$out, '2>', \$err)
	  or die "openssl @arguments: $err";
	return $out;
}

# issue(NAME, serial => N): a certificate for 127.0.0.1, with the authority's behind it, and its key.
sub issue
{
	my ($self, $name, %option) = @_;
	my $path = "$self->{directory}/$name";
	write_file("$path.ext", "subjectAltName=IP:127.0.0.1\n");
	openssl('req', @{ key_arguments("$path.key") }, '-out', "$path.csr", '-subj', "/CN=$name");
	openssl('x509', '-req', '-in', "$path.csr", '-CA', $self->cert, '-CAkey',
		"$self->{directory}/ca.key", '-set_serial', $option{serial} || 1, '-out', "$path.own",
		'-days', '30', '-extfile', "$path.ext");
	write_file("$path.pem", slurp("$path.own") . slurp($self->cert));
	return ("$path.pem", "$path.key");
}

# write_file(PATH, TEXT): in one step, as a tool that renews certificates does it.
sub write_file
{
	my ($path, $text) = @_;
	my $mask = umask 0077;
	open(my $file, '>', "$path.new") or die "$path: $!";
	print $file $text;
	close $file or die "$path: $!";
	umask $mask;
	rename "$path.new", $path or die "$path: $!";
	return;
}

# client(PORT, ARGUMENT…): openssl s_client, running: { run, in, out, err }.
sub client
{
	my ($port, @arguments) = @_;
	my %client = (in => '', out => '', err => '');
	$client{run} = IPC::Run::start(
		[ 'openssl', 's_client', '-connect', "127.0.0.1:$port", @arguments ],
		'<', \$client{in}, '>', \$client{out}, '2>', \$client{err}, IPC::Run::timeout(300));
	return \%client;
}

# served_serial(PORT): the serial number of the certificate shown, in hexadecimal.
sub served_serial
{
	my ($port) = @_;
	my ($shown, $serial) = ('', '');
	IPC::Run::run([ 'openssl', 's_client', '-connect', "127.0.0.1:$port" ], '<', \'', '>',
		\$shown, '2>', \my $err);
	IPC::Run::run([ 'openssl', 'x509', '-noout', '-serial' ], '<', \$shown, '>', \$serial, '2>',
		\$err);
	return $serial =~ /^serial=(\w+)/ ? $1 : '';
}

1;
