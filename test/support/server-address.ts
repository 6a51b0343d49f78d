// Owns the type of a superuser's way into a test server. Fits PostgresAddress.
export type ServerAddress = { host: string; port: number; database: string; user: string; password: string };
