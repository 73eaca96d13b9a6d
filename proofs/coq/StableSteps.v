(* Stable gradient steps on quadratic losses that change from step to step.

   Let K_s be symmetric positive semidefinite operators with K_s <= rho_s, and let
       r_0 = u,   r_{s+1} = (I - alpha_s K_s) r_s,   0 < alpha_s,   alpha_s rho_s < 2.
   Since |K_s z|^2 <= rho_s <K_s z, z>,
       |r_{s+1}|^2 <= |r_s|^2 - alpha_s (2 - alpha_s rho_s) <K_s r_s, r_s>,
   so |r_s| never increases.  A step with <K_s u, u> = 0 leaves u as it is (K_s u = 0), and the first step
   with <K_s u, u> > 0 makes |r_s| strictly smaller.  With d_s = u - r_s this gives <d_T, u> > 0 as soon as
   one of the first T steps sees u: 2 <d_T, u> = |u|^2 + |d_T|^2 - |r_T|^2.  No eigenvalues are needed.
   The operators are functions on vectors; only the first k coordinates count. *)
From Coq Require Import Reals Lra Lia Arith.
From Subtheory Require Import Vectors.
Open Scope R_scope.

(* what is left of u after s steps: u - d_s, multiplied by I - alpha_s K_s at every step *)
Fixpoint remaining (K : nat -> vec -> vec) (alpha : nat -> R) (u : vec) (s : nat) : vec :=
  match s with
  | O => u
  | S r => fun j => remaining K alpha u r j - alpha r * K r (remaining K alpha u r) j
  end.
(* d_s, the first-order displacement of the student *)
Definition direction (K : nat -> vec -> vec) (alpha : nat -> R) (u : vec) (s : nat) : vec :=
  vsub u (remaining K alpha u s).

(* ---------- linear algebra: stable steps shrink what is left of u ---------- *)

Section Contraction.
Variables (k : nat) (K : nat -> vec -> vec) (alpha rho : nat -> R) (T : nat) (u : vec).
Hypothesis K_ext : forall s y z, (forall j, (j < k)%nat -> y j = z j) ->
  forall j, (j < k)%nat -> K s y j = K s z j.
Hypothesis K_lin : forall s y z t j, (j < k)%nat -> K s (fun i => y i - t * z i) j = K s y j - t * K s z j.
Hypothesis K_sym : forall s y z, dot k (K s y) z = dot k (K s z) y.
Hypothesis K_pos : forall s z, (s < T)%nat -> 0 <= dot k (K s z) z.
Hypothesis K_le : forall s z, (s < T)%nat -> dot k (K s z) z <= rho s * dot k z z.
Hypothesis stable : forall s, (s < T)%nat -> 0 < alpha s /\ 0 < rho s /\ alpha s * rho s < 2.

Local Notation rest := (remaining K alpha u).

(* |z - t y|^2 *)
Lemma dot_diff z y t : dot k (fun i => z i - t * y i) (fun i => z i - t * y i) =
  dot k z z - 2 * t * dot k z y + t * t * dot k y y.
Proof.
  rewrite dot_minus_l, !dot_minus_r, !dot_scal_l, !dot_scal_r, (dot_sym k y z). ring.
Qed.

Lemma operator_sqr s z : (s < T)%nat -> dot k (K s z) (K s z) <= rho s * dot k (K s z) z.
Proof.
  intros Hs. destruct (stable s Hs) as [_ [Hr _]].
  pose (t := / rho s).
  pose proof (K_pos s (fun i => z i - t * K s z i) Hs) as P.
  rewrite (dot_ext k _ _ (fun j => K s z j - t * K s (K s z) j) (fun i => z i - t * K s z i)) in P;
    [| intros i Hi; apply K_lin; exact Hi | reflexivity].
  rewrite dot_minus_l, !dot_minus_r, !dot_scal_l, !dot_scal_r in P.
  rewrite (K_sym s (K s z) z) in P.
  pose proof (K_le s (K s z) Hs) as Q.
  set (a := dot k (K s z) z) in *. set (b := dot k (K s z) (K s z)) in *.
  set (c := dot k (K s (K s z)) (K s z)) in *.
  assert (Ht : rho s * t = 1) by (unfold t; field; lra).
  assert (P' : 0 <= a * rho s * rho s - 2 * b * rho s + c).
  { replace (a * rho s * rho s - 2 * b * rho s + c) with
      (rho s * rho s * a - 2 * rho s * b + (rho s * t) * (rho s * t) * c
        - 2 * rho s * b * (rho s * t - 1)) by (rewrite Ht; ring).
    replace (rho s * rho s * a - 2 * rho s * b + (rho s * t) * (rho s * t) * c
        - 2 * rho s * b * (rho s * t - 1)) with (rho s * rho s * (a - t * b - t * (b - t * c))) by ring.
    apply Rmult_le_pos; nra. }
  apply Rmult_le_reg_l with (rho s); [exact Hr | nra].
Qed.

(* one stable step, with the amount by which the squared distance falls *)
Lemma step_contracts s : (s < T)%nat ->
  dot k (rest (S s)) (rest (S s)) <=
  dot k (rest s) (rest s) - alpha s * (2 - alpha s * rho s) * dot k (K s (rest s)) (rest s).
Proof.
  intros Hs. cbn [remaining]. rewrite dot_diff, (dot_sym k (rest s) (K s (rest s))).
  pose proof (operator_sqr s (rest s) Hs) as Q. destruct (stable s Hs) as [Ha [_ _]].
  assert (0 <= alpha s * alpha s * (rho s * dot k (K s (rest s)) (rest s)
    - dot k (K s (rest s)) (K s (rest s)))) by (apply Rmult_le_pos; nra).
  nra.
Qed.

Lemma step_monotone s : (s < T)%nat -> dot k (rest (S s)) (rest (S s)) <= dot k (rest s) (rest s).
Proof.
  intros Hs. pose proof (step_contracts s Hs). pose proof (K_pos s (rest s) Hs).
  destruct (stable s Hs) as [Ha [_ Hr]].
  assert (0 <= alpha s * (2 - alpha s * rho s) * dot k (K s (rest s)) (rest s))
    by (apply Rmult_le_pos; [nra | assumption]).
  lra.
Qed.

(* a batch that does not see u leaves u as it is *)
Lemma untouched s : (s <= T)%nat -> (forall r, (r < s)%nat -> dot k (K r u) u = 0) ->
  forall j, (j < k)%nat -> rest s j = u j.
Proof.
  induction s as [|s IH]; intros Hs Hz j Hj; [reflexivity|].
  assert (E : forall i, (i < k)%nat -> rest s i = u i) by (apply IH; [lia | intros; apply Hz; lia]).
  cbn [remaining]. rewrite (E j Hj), (K_ext s _ u E j Hj).
  assert (Z : dot k (K s u) (K s u) = 0).
  { pose proof (operator_sqr s u ltac:(lia)) as Q. rewrite (Hz s ltac:(lia)) in Q.
    pose proof (dot_nonneg k (K s u)). lra. }
  rewrite (dot_zero k _ Z j Hj). ring.
Qed.

Lemma first_drop s : (s < T)%nat -> (forall r, (r < s)%nat -> dot k (K r u) u = 0) -> 0 < dot k (K s u) u ->
  dot k (rest (S s)) (rest (S s)) < dot k (rest s) (rest s).
Proof.
  intros Hs Hz Hp. pose proof (step_contracts s Hs) as C.
  assert (E : forall i, (i < k)%nat -> rest s i = u i) by (apply untouched; [lia | exact Hz]).
  rewrite (dot_ext k (K s (rest s)) (rest s) (K s u) u (K_ext s _ u E) E) in C.
  destruct (stable s Hs) as [Ha [_ Hr]].
  assert (0 < alpha s * (2 - alpha s * rho s) * dot k (K s u) u)
    by (apply Rmult_lt_0_compat; [nra | assumption]).
  lra.
Qed.

Lemma rest_le s t : (s <= t)%nat -> (t <= T)%nat -> dot k (rest t) (rest t) <= dot k (rest s) (rest s).
Proof.
  intros Hst. induction Hst as [|t Hst IH]; intros Ht; [apply Rle_refl|].
  apply Rle_trans with (dot k (rest t) (rest t)); [apply step_monotone; lia | apply IH; lia].
Qed.

(* the first batch that sees u *)
Lemma first_effective n : (n <= T)%nat -> (exists s, (s < n)%nat /\ 0 < dot k (K s u) u) ->
  exists s, (s < n)%nat /\ 0 < dot k (K s u) u /\ forall r, (r < s)%nat -> dot k (K r u) u = 0.
Proof.
  induction n as [|n IH]; intros Hn [s [Hs Hp]]; [lia|].
  assert (D : (exists r, (r < n)%nat /\ 0 < dot k (K r u) u) \/ forall r, (r < n)%nat -> dot k (K r u) u = 0).
  { assert (Q : forall p, (p <= n)%nat ->
      (exists r, (r < p)%nat /\ 0 < dot k (K r u) u) \/ forall r, (r < p)%nat -> dot k (K r u) u = 0).
    { induction p as [|p IHp]; intros Hp'.
      - right; intros r Hr; lia.
      - destruct (IHp ltac:(lia)) as [[r [A B]] | Z].
        + left; exists r; split; [lia | exact B].
        + destruct (Rle_lt_or_eq_dec 0 _ (K_pos p u ltac:(lia))) as [B | B].
          * left; exists p; split; [lia | exact B].
          * right; intros r Hr. destruct (Nat.eq_dec r p) as [-> | Hne]; [lra | apply Z; lia]. }
    apply Q; lia. }
  destruct D as [D | D].
  - destruct (IH ltac:(lia) D) as [r [A [B C]]]. exists r. split; [lia | split; assumption].
  - exists s. split; [exact Hs|]. split; [exact Hp|]. intros r Hr. apply D. lia.
Qed.

Lemma rest_falls : (exists s, (s < T)%nat /\ 0 < dot k (K s u) u) -> dot k (rest T) (rest T) < dot k u u.
Proof.
  intros Hex. destruct (first_effective T (le_n T) Hex) as [s [Hs [Hp Hz]]].
  pose proof (first_drop s Hs Hz Hp) as D.
  pose proof (rest_le (S s) T Hs (le_n T)) as A. pose proof (rest_le 0 s (Nat.le_0_l s) ltac:(lia)) as B.
  change (rest 0%nat) with u in B. lra.
Qed.

Lemma direction_aligned : (exists s, (s < T)%nat /\ 0 < dot k (K s u) u) ->
  0 < dot k (direction K alpha u T) u.
Proof.
  intros Hex. pose proof (rest_falls Hex) as D. unfold direction, vsub. rewrite dot_minus_l.
  pose proof (dot_nonneg k (fun i => u i - 1 * rest T i)) as N. rewrite dot_diff in N.
  rewrite (dot_sym k (rest T) u). lra.
Qed.
End Contraction.

(* For one operator and one step size, what is left is B^t u with B = I - alpha K. *)
Lemma remaining_power (K : vec -> vec) (alpha : R) (u : vec) t j :
  remaining (fun _ => K) (fun _ => alpha) u t j = Nat.iter t (fun z i => z i - alpha * K z i) u j.
Proof.
  assert (E : remaining (fun _ => K) (fun _ => alpha) u t = Nat.iter t (fun z i => z i - alpha * K z i) u).
  { induction t as [|t IH]; [reflexivity|]. cbn [remaining Nat.iter nat_rect]. rewrite IH. reflexivity. }
  rewrite E; reflexivity.
Qed.
