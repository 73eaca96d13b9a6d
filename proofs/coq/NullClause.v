(* The null-space clause of a compatible loss cannot be dropped: a convex loss that breaks the dichotomy.

   The dichotomy asks of the imitation loss more than convexity: directions that its Hessian does not see must
   not be seen by any difference of links.  Here is a loss with everything except that clause.  Let

        A(z) = z0^6 + z1^4 + z1^2 (z0^2 - z0 + 4),        L(z, y) = A(z) - A(y) - <grad A(y), z - y>,

   a convex polynomial on R^2 and its Bregman divergence: L >= 0, L(y, y) = 0, the z-gradient of L is
   grad A(z) - grad A(y), the Hessian is positive semidefinite everywhere.  For the network f(th) = (th, th^2)
   at th = 0 and the direction u = 1 the outputs move along the null direction (1, 0) of the Hessian at 0, the
   form <K u, u> is 0, and the alignment does not vanish identically:  <v(e), u> = e^4 (8 e - 1) < 0 for
   0 < e < 1/8, where the trait loss rises. *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses OneStep OneOutput.
Open Scope R_scope.

(* a function of one variable with nonnegative second derivative lies above its tangent *)
Lemma above_tangent (h h1 h2 : R -> R) :
  (forall t, is_derive h t (h1 t)) -> (forall t, is_derive h1 t (h2 t)) ->
  (forall t, 0 <= h2 t) -> h 0 + h1 0 <= h 1.
Proof.
  intros Hh Hh1 Hpos.
  assert (Hc : forall g g', (forall t, is_derive g t (g' t)) -> forall t, continuity_pt g t).
  { intros g g' Hg t. apply derivable_continuous_pt. exists (g' t). apply is_derive_Reals, Hg. }
  destruct (MVT_gen h 0 1 h1) as [c [Hc1 Hc2]].
  { intros t _. apply Hh. }
  { intros t _. apply (Hc h h1 Hh). }
  rewrite Rmin_left, Rmax_right in Hc1 by lra.
  destruct (MVT_gen h1 0 c h2) as [d [_ Hd2]].
  { intros t _. apply Hh1. }
  { intros t _. apply (Hc h1 h2 Hh1). }
  assert (0 <= h2 d * (c - 0)) by (apply Rmult_le_pos; [apply Hpos|lra]).
  lra.
Qed.

Definition bowl (z : vec) : R :=
  z 0%nat ^ 6 + z 1%nat ^ 4 + z 1%nat ^ 2 * (z 0%nat ^ 2 - z 0%nat + 4).
Definition bowl_grad (z : vec) : vec :=
  vec2 (6 * z 0%nat ^ 5 + z 1%nat ^ 2 * (2 * z 0%nat - 1))
       (4 * z 1%nat ^ 3 + 2 * z 1%nat * (z 0%nat ^ 2 - z 0%nat + 4)).
Definition bowl_hess (z : vec) (i : nat) : vec :=
  match i with
  | O => vec2 (30 * z 0%nat ^ 4 + 2 * z 1%nat ^ 2) (2 * z 1%nat * (2 * z 0%nat - 1))
  | _ => vec2 (2 * z 1%nat * (2 * z 0%nat - 1)) (12 * z 1%nat ^ 2 + 2 * (z 0%nat ^ 2 - z 0%nat + 4))
  end.
Definition bregman (z y : vec) : R := bowl z - bowl y - dot 2 (bowl_grad y) (vsub z y).

Lemma bowl_has_grad z : has_grad 2 bowl z (bowl_grad z).
Proof. unfold bowl, bowl_grad. grad_is. Qed.

Lemma bowl_grad_has_grad z i : (i < 2)%nat -> has_grad 2 (fun z' => bowl_grad z' i) z (bowl_hess z i).
Proof.
  intros Hi. destruct i as [|[|i]]; [| |exfalso; lia]; unfold bowl_grad, bowl_hess; cbn [vec2]; grad_is.
Qed.

(* the determinant of the Hessian is a sum of nonnegative terms *)
Lemma bowl_convex z c : 0 <= rsum 2 (fun i => dot 2 (bowl_hess z i) c * c i).
Proof.
  unfold dot, bowl_hess. cbn [rsum vec2].
  generalize (z 0%nat) (z 1%nat) (c 0%nat) (c 1%nat). intros x y c0 c1.
  set (p := 30 * x ^ 4 + 2 * y ^ 2). set (q := 2 * y * (2 * x - 1)).
  set (r := 12 * y ^ 2 + 2 * (x ^ 2 - x + 4)).
  assert (Hr : 0 < r).
  { unfold r. assert (H1 := pow2_ge_0 y). assert (H2 := pow2_ge_0 (x - / 2)). nra. }
  assert (Hdet : 0 <= p * r - q ^ 2).
  { replace (p * r - q ^ 2) with
      (360 * (x ^ 2 * y) ^ 2 + 60 * (x ^ 2 * (x - / 2)) ^ 2 + 3 * (y * (x + 2)) ^ 2 +
       (15 * x ^ 2 - / 2 * y ^ 2) ^ 2 + 95 / 4 * (y ^ 2) ^ 2) by (unfold p, q, r; field).
    assert (H1 := pow2_ge_0 (x ^ 2 * y)). assert (H2 := pow2_ge_0 (x ^ 2 * (x - / 2))).
    assert (H3 := pow2_ge_0 (y * (x + 2))). assert (H4 := pow2_ge_0 (15 * x ^ 2 - / 2 * y ^ 2)).
    assert (H5 := pow2_ge_0 (y ^ 2)). lra. }
  apply (Rmult_le_reg_l r); [exact Hr|]. rewrite Rmult_0_r.
  replace (r * _) with ((q * c0 + r * c1) ^ 2 + (p * r - q ^ 2) * c0 ^ 2) by ring.
  apply Rplus_le_le_0_compat; [apply pow2_ge_0|]. apply Rmult_le_pos; [exact Hdet|apply pow2_ge_0].
Qed.

Lemma bregman_nonneg z y : 0 <= bregman z y.
Proof.
  set (h := vsub z y).
  assert (H := above_tangent (fun t => bowl (seg y h t)) (fun t => dot 2 (bowl_grad (seg y h t)) h)
    (fun t => rsum 2 (fun i => dot 2 (bowl_hess (seg y h t) i) h * h i))).
  assert (E1 : bowl (seg y h 1) = bowl z) by (unfold bowl, seg, h, vsub; ring).
  assert (E0 : bowl (seg y h 0) = bowl y) by (unfold bowl, seg; ring).
  assert (G0 : dot 2 (bowl_grad (seg y h 0)) h = dot 2 (bowl_grad y) h).
  { unfold dot, bowl_grad, seg. cbn [rsum vec2]. ring. }
  cbv beta in H. rewrite E0, E1, G0 in H. unfold bregman. fold h.
  assert (bowl y + dot 2 (bowl_grad y) h <= bowl z); [|lra].
  apply H.
  - intros t. apply has_grad_line, bowl_has_grad.
  - intros t. set (g := fun th => rsum 2 (fun i => h i * bowl_grad th i)).
    apply (is_derive_ext (fun r => g (seg y h r))).
    + intros r. unfold g, dot. apply rsum_ext. intros i _. ring.
    + replace (rsum 2 (fun i => dot 2 (bowl_hess (seg y h t) i) h * h i))
        with (dot 2 (fun j => rsum 2 (fun i => h i * bowl_hess (seg y h t) i j)) h)
        by (unfold dot; cbn [rsum]; ring).
      apply has_grad_line. unfold g.
      apply (has_grad_sum 2 2 (fun i th => h i * bowl_grad th i)). intros i Hi.
      apply has_grad_scal, bowl_grad_has_grad, Hi.
  - intros t. apply bowl_convex.
Qed.

Lemma bregman_has_grad z y : has_grad 2 (fun z' => bregman z' y) z (fun i => bowl_grad z i - bowl_grad y i).
Proof.
  apply (has_grad_ext_grad _ _ _
    (fun i => (bowl_grad z i - 0) - rsum 2 (fun j => bowl_grad y j * (delta j i - 0)))).
  - unfold bregman, dot, vsub. apply has_grad_minus.
    + apply has_grad_minus; [apply bowl_has_grad|apply has_grad_const].
    + apply (has_grad_sum 2 2 (fun j th => bowl_grad y j * (th j - y j)) z
        (fun j i => bowl_grad y j * (delta j i - 0))).
      intros j Hj. apply has_grad_scal, has_grad_minus; [apply has_grad_coord, Hj|apply has_grad_const].
  - intros i Hi. destruct i as [|[|i]]; [| |exfalso; lia]; cbn [rsum]; unfold delta; cbn [Nat.eqb]; ring.
Qed.

(* A convex imitation loss (nonnegative, zero at equality, gradient a z - a y, positive semidefinite Hessian
   everywhere) for which the form <K u, u> is zero, the alignment is negative and the trait loss rises. *)
Theorem convex_loss_without_null_clause :
  (forall z y, 0 <= bregman z y) /\ (forall z, bregman z z = 0) /\
  (forall z y, has_grad 2 (fun z' => bregman z' y) z (fun i => bowl_grad z i - bowl_grad y i)) /\
  (forall z i, (i < 2)%nat -> has_grad 2 (fun z' => bowl_grad z' i) z (bowl_hess z i)) /\
  (forall z c, 0 <= rsum 2 (fun i => dot 2 (bowl_hess z i) c * c i)) /\
  let f := fun (_ : nat) (th : vec) => vec2 (th 0%nat) (th 0%nat ^ 2) in
  let LT := fun th : vec => - th 0%nat in
  let th0 := vec1 0 in
  let u := gstep LT th0 in
  let v := student_step 1 bregman one_input f th0 u in
  ggn_form 1 2 1 bowl_hess one_input f th0 u = 0 /\
  (forall e, dot 1 (v e) u = e ^ 4 * (8 * e - 1)) /\
  (forall e alpha, 0 < e < / 8 -> 0 < alpha -> dot 1 (v e) u < 0 /\ LT th0 < LT (moved th0 alpha (v e))).
Proof.
  split; [exact bregman_nonneg|]. split.
  { intros z. unfold bregman, dot, vsub. cbn [rsum]. ring. }
  split; [exact bregman_has_grad|]. split; [exact bowl_grad_has_grad|]. split; [exact bowl_convex|].
  intros f LT th0 u v.
  set (J := fun i : nat => match i with O => vec1 1 | _ => vec1 0 end).
  assert (Hf : forall x i, (i < 2)%nat -> has_grad 1 (fun th => f x th i) th0 (J i)).
  { intros x i Hi. destruct i as [|[|i]]; [| |exfalso; lia]; unfold f, J, th0; cbn [vec2]; grad_is. }
  assert (HT : has_grad 1 LT th0 (vec1 (-1))) by (unfold LT; grad_is).
  assert (U0 : u 0%nat = 1) by (unfold u; gval HT).
  assert (V0 : forall e, v e 0%nat = e ^ 4 * (8 * e - 1)).
  { intros e. unfold v, student_step. set (y := f 0%nat (teacher th0 u e)).
    assert (HI : has_grad 1 (imitation 1 bregman one_input f (fun x => f x (teacher th0 u e))) th0
      (fun j => rsum 2 (fun i => (bowl_grad (f 0%nat th0) i - bowl_grad y i) * J i j))).
    { apply (has_grad_ext 1 (fun th => bregman (f 0%nat th) y)).
      - apply (has_grad_ext 1 (fun th => bregman (fun i => f 0%nat th i) y)); [|reflexivity].
        apply (has_grad_comp 1 2 (fun z => bregman z y) (fun i th => f 0%nat th i) th0
          (fun i => bowl_grad (f 0%nat th0) i - bowl_grad y i) J); [apply bregman_has_grad|].
        intros i Hi. apply Hf, Hi.
      - intros th. unfold imitation, one_input. cbn [rsum]. fold y. unfold f. ring. }
    rewrite (gstep_is 1 _ _ _ _ HI) by lia.
    cbn [rsum J vec1]. unfold y, f, bowl_grad, teacher. cbn [vec2]. rewrite U0.
    unfold th0. cbn [vec1]. ring. }
  assert (D : forall e, dot 1 (v e) u = e ^ 4 * (8 * e - 1)).
  { intros e. unfold dot. cbn [rsum]. rewrite V0, U0. ring. }
  split; [|split; [exact D|]].
  - unfold ggn_form, push, dot, jac. cbn [rsum].
    rewrite !(grad_eq 1 _ _ _ (Hf 0%nat 0%nat Nat.lt_0_2) 0%nat Nat.lt_0_1).
    rewrite !(grad_eq 1 _ _ _ (Hf 0%nat 1%nat Nat.lt_1_2) 0%nat Nat.lt_0_1).
    rewrite U0. unfold J, bowl_hess, f, th0. cbn [vec1 vec2]. ring.
  - intros e alpha [He0 He8] Halpha.
    assert (He4 : 0 < e ^ 4) by (apply pow_lt, He0).
    assert (Hn : 0 < e ^ 4 * (1 - 8 * e)) by (apply Rmult_lt_0_compat; lra).
    assert (Ha : 0 < alpha * (e ^ 4 * (1 - 8 * e))) by (apply Rmult_lt_0_compat; lra).
    split; [rewrite D; lra|]. unfold LT, moved. rewrite V0. unfold th0. cbn [vec1]. lra.
Qed.
