// The bridge as one writes it with Bun's own server and PostgreSQL client, around the same SQL
// function. A contender of the benchmark.

import { SQL } from 'bun';

const sql = new SQL({
	adapter: 'postgres',
	path: `${process.env.PGHOST}/.s.PGSQL.${process.env.PGPORT ?? 5432}`,
	username: process.env.PGUSER,
	database: process.env.PGDATABASE,
	max: Number(process.env.BENCH_POOL ?? 8),
});
const headers = {
	'Content-Type': 'application/json; charset=utf-8',
	'Cache-Control': 'no-store',
	'X-Content-Type-Options': 'nosniff',
};

function refuse(error) {
	const code = String(error.errno ?? error.code);
	const status = /^PT[45]\d\d$/.test(code) ? Number(code.slice(2)) : 500;
	return Response.json({ name: error.detail, message: error.message }, { status, headers });
}

const server = Bun.serve({
	hostname: '127.0.0.1',
	port: 0,
	routes: {
		'/api/admin/service-account/:id/token': async (request) => {
			try {
				const token = request.headers.get('authorization');
				const [row] = await sql`SELECT pat_list_for_service_account(
					${request.params.id}::text, ${token})::text AS body`;
				return new Response(row.body, { headers });
			} catch (error) {
				return refuse(error);
			}
		},
	},
	fetch: () => Response.json({ name: 'NotFoundError' }, { status: 404, headers }),
});

console.log(`listening on 127.0.0.1:${server.port}`);
